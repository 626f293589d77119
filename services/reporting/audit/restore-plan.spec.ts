import { describe, expect, test } from '@jest/globals';
import { event, type RecordedEvent, toCloudEvent } from '#libs/contracts/index.js';
import { chainHash, chainStart } from '#libs/event-log/hash-chain.js';
import { signHead } from '#libs/keys/audit-checkpoint.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { planRestore } from './restore-plan.js';
import type { CopiedEvent } from './verify-log.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const stranger = signingKeyFromPem(generatePrivateKeyPem());

function happened(sequence: number, site = `site-${sequence}`): RecordedEvent {
  const recorded: RecordedEvent = {
    ...event('SiteCreated', { site }),
    id: `event-${sequence}`,
    aggregate: { type: 'site', id: site },
    sequence,
    version: 1,
    timeMs: sequence,
    context: { actor: 'a', correlationId: 'c', causationId: 'c' },
  };
  return { ...recorded, stored: JSON.stringify(toCloudEvent(recorded)) };
}

const log = [1, 2, 3, 4, 5].map((sequence) => happened(sequence));

function copyOf(events: readonly RecordedEvent[]): CopiedEvent[] {
  let previous: Uint8Array = chainStart;
  return events.map(({ sequence, stored: body = '' }) => {
    previous = chainHash(previous, sequence, body);
    return { sequence, body, hash: previous };
  });
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

function plan(events: readonly RecordedEvent[], copied = copyOf(log), signer = key) {
  const head = copied.at(-1);
  const last = events.at(-1)?.sequence ?? 0;
  return planRestore({
    ...{ log: each(events), copy: each(copied), publicKey: key.publicKey },
    signed: [signHead(signer, 5, copyOf(log)[4]?.hash ?? chainStart, 1)],
    ...{ last, head: head?.sequence ?? 0 },
  });
}

describe('the plan of a restore', () => {
  test('is to do nothing where the log has what the copy has, or more', async () => {
    expect(await plan(log)).toMatchObject({ plan: { kind: 'sound' } });
    const more = await plan([...log, happened(6), happened(7)]);
    expect(more).toMatchObject({ plan: { kind: 'sound', others: 0 }, tail: [{}, {}] });
  });

  test('is to write on where the log was cut off', async () => {
    expect(await plan(log.slice(0, 2))).toMatchObject({ plan: { kind: 'append', firstBad: 3 } });
    expect(await plan([])).toMatchObject({ plan: { kind: 'append', firstBad: 1, last: 0 } });
  });

  test('is to replace the log where an event before its end is missing', async () => {
    const holed = await plan([...log.filter(({ sequence }) => sequence !== 3), happened(6)]);
    expect(holed).toMatchObject({ plan: { kind: 'replace', firstBad: 3, others: 0 } });
    expect(holed).toMatchObject({ tail: [{ sequence: 6 }], others: [] });
  });

  test('puts aside what the log has instead, and what follows an event that is lost', async () => {
    const other = await plan([...log.slice(0, 3), happened(4, 'other')]);
    expect(other).toMatchObject({
      plan: { kind: 'replace', firstBad: 4, others: 1 },
      others: [{ sequence: 4, body: expect.stringContaining('other') }],
    });
    const apart = await plan([...log.slice(1), happened(7)]);
    expect(apart).toMatchObject({ plan: { firstBad: 1 }, others: [{ sequence: 7 }], tail: [] });
  });

  test('is not made from a copy that is not sound', async () => {
    const copy = copyOf(log);
    const changed = copy.map((row) => (row.sequence === 2 ? { ...row, body: '{}' } : row));
    expect(await plan(log, changed)).toMatchObject({ unsound: { sequence: 2 } });
    expect(await plan(log, copy.slice(0, 4))).toMatchObject({ unsound: { sequence: 5 } });
    const rewritten = copyOf([...log.slice(0, 4), happened(5, 'forged')]);
    expect(await plan(log, rewritten)).toMatchObject({
      unsound: { sequence: 5, problem: 'it was signed with another hash' },
    });
    expect(await plan(log, copy, stranger)).toMatchObject({
      unsound: { problem: 'a signed head is not by the audit key' },
    });
  });

  test('needs no event of the copy that the log still has, but all others', async () => {
    const gap = copyOf(log.filter(({ sequence }) => sequence !== 3));
    const signed = { ...{ publicKey: key.publicKey, signed: [], head: 5 } };
    const given = (events: readonly RecordedEvent[], last: number) =>
      planRestore({ ...signed, log: each(events), copy: each(gap), last });
    const without = log.filter(({ sequence }) => sequence !== 3);
    expect(await given(without.slice(0, 3), 4)).toMatchObject({ plan: { kind: 'append' } });
    expect(await given([], 0)).toMatchObject({ unsound: { sequence: 3 } });
    expect(await given(log, 5)).toMatchObject({ unsound: { problem: 'only the log has it' } });
  });
});
