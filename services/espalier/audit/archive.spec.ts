import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { event, type RecordedEvent, toCloudEvent } from '#libs/contracts/index.js';
import { chainHash, chainStart } from '#libs/event-log/hash-chain.js';
import { signHead } from '#libs/keys/audit-checkpoint.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import type { ApiClient } from '../client/api-client.js';
import { exportAudit, LogNotAsSigned, NoArchive, verifyArchive } from './archive.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const log = [1, 2, 4].map(
  (sequence): RecordedEvent => ({
    ...event('SiteCreated', { site: `site-${sequence}`, staging: '/srv' }),
    id: `event-${sequence}`,
    aggregate: { type: 'site', id: `site-${sequence}` },
    sequence,
    version: 1,
    timeMs: sequence,
    context: { actor: 'cli:ann', correlationId: 'c', causationId: 'c' },
  }),
);

/** A control plane whose head is signed, and whose log may have gone on since. */
function controlPlane(events: readonly RecordedEvent[]): ApiClient {
  const head = log.reduce<Uint8Array>(
    (hash, one) => chainHash(hash, one.sequence, JSON.stringify(toCloudEvent(one))),
    chainStart,
  );
  return {
    post: async () => signHead(key, 4, head, 1_000),
    async *events() {
      for (const one of events) yield { ...toCloudEvent(one), sequence: one.sequence };
      yield { ...toCloudEvent(log[0] as RecordedEvent), sequence: 5 };
    },
  } as unknown as ApiClient;
}

let directory: string;
let archive: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-archive-'));
  archive = join(directory, 'archive');
});
afterEach(() => rm(directory, { recursive: true }));

async function damage(change: (lines: string[]) => string[]): Promise<void> {
  const lines = (await readFile(archive, 'utf8')).trimEnd().split('\n');
  await writeFile(archive, `${change(lines).join('\n')}\n`);
}

describe('an audit archive', () => {
  it('is sound by itself, up to the signed head, and names the key', async () => {
    expect(await exportAudit(controlPlane(log), archive)).toEqual({
      events: 3,
      publicKey: key.keyId,
    });
    const verdict = await verifyArchive(archive);
    expect(verdict).toMatchObject({ sound: true, events: 3, headSequence: 4n, keyId: key.keyId });
  });

  it('names the first event that was changed', async () => {
    await exportAudit(controlPlane(log), archive);
    await damage((lines) => lines.map((line) => line.replace('site-2', 'site-X')));
    expect(await verifyArchive(archive)).toMatchObject({ sound: false, firstBadSequence: 2n });
  });

  it('names the event after one that was taken out', async () => {
    await exportAudit(controlPlane(log), archive);
    await damage((lines) => lines.filter((_, index) => index !== 2));
    expect(await verifyArchive(archive)).toMatchObject({ sound: false, firstBadSequence: 4n });
  });

  it('is not sound when its end was cut off before the signed head', async () => {
    await exportAudit(controlPlane(log), archive);
    await damage((lines) => lines.filter((_, index) => index !== 3));
    expect(await verifyArchive(archive)).toMatchObject({ sound: false });
    await damage((lines) => lines.slice(0, -1));
    await expect(verifyArchive(archive)).rejects.toThrow(NoArchive);
  });

  it('is not written when the log is not the one that was signed', async () => {
    const forged = log.map((one) => ({ ...one, timeMs: one.timeMs + 1 }));
    await expect(exportAudit(controlPlane(forged), archive)).rejects.toThrow(LogNotAsSigned);
    await expect(readFile(archive)).rejects.toThrow('ENOENT');
  });

  it('is refused when it is something else', async () => {
    await writeFile(archive, 'no archive');
    await expect(verifyArchive(archive)).rejects.toThrow(NoArchive);
  });
});
