import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Command, CommandSchema, Compression, JobType } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import {
  type AssignmentHead,
  blockBytes,
  blockRange,
  openHead,
  parsePreamble,
  sha256Hex,
  verifyBlock,
} from './container.js';
import { AssignmentRefused } from './errors.js';
import { openContainer, openData, readCommands, verifyBody } from './reader.js';
import { switchAssignment, writeAssignment } from './writer.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const stranger = signingKeyFromPem(generatePrivateKeyPem());
const trust = { keys: [key.publicKey], threshold: 1 };

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-container-'));
});
afterAll(() => rm(directory, { recursive: true }));

const put = (path: string, length: number): Command =>
  create(CommandSchema, {
    command: {
      case: 'putFile',
      value: {
        path,
        mode: 0o644,
        sizeBytes: BigInt(length),
        data: { offset: 0n, length: BigInt(length), compression: Compression.NONE },
      },
    },
  });

const fields = {
  assignmentId: 'www-7',
  runId: 'run-1',
  site: 'www',
  sequence: 7n,
  type: JobType.PUBLISH,
  part: 1,
  parts: 1,
  scope: { nodes: ['paris-1'] },
};

interface Sample {
  path: string;
  bytes: Uint8Array;
  digest: string;
}

async function container(name: string, data: Uint8Array, commands: Command[], keys = [key]) {
  const path = join(directory, name);
  const written = await writeAssignment({ path, header: fields, commands, data: [data], keys });
  return { path, bytes: await readFile(path), digest: written.containerDigest } satisfies Sample;
}

const data = (length: number, step = 7) =>
  Uint8Array.from({ length }, (_, at) => (at * step + (at >> 8) + (at >> 16) * 13) & 0xff);

/** What a receiver does with a whole container in memory. */
function open(bytes: Uint8Array, by = trust): AssignmentHead {
  const layout = parsePreamble(bytes);
  if (bytes.length !== layout.containerBytes) throw new AssignmentRefused('damaged', 'length');
  const head = openHead(bytes.subarray(0, layout.headBytes), by);
  for (let index = 0; index < layout.blockCount; index++) {
    const { offset, length } = blockRange(layout, index);
    if (!verifyBlock(head, index, bytes.subarray(offset, offset + length))) {
      throw new AssignmentRefused('damaged', `block ${index}`);
    }
  }
  return head;
}

describe('a container', () => {
  test.each([0, 1, blockBytes - 20, blockBytes * 3 + 5])(
    'with %d bytes of data is read back',
    async (length) => {
      const commands = [put('index.html', length), put('ü/b', 0)];
      const { path, bytes, digest } = await container(`round-${length}`, data(length), commands);
      expect(sha256Hex(bytes)).toBe(digest);
      const head = await openContainer(path, trust);
      await verifyBody(path, head);
      expect(open(bytes).header).toEqual(head.header);
      expect(head.header).toMatchObject({ ...fields, scope: { nodes: ['paris-1'] } });
      expect(await readCommands(path, head)).toEqual(commands);
      const file = await openData(path, head);
      const slice = { offset: 0n, length: BigInt(length), compression: Compression.NONE };
      const content = await file.read(slice as never, length);
      expect(Buffer.compare(content, data(length))).toBe(0);
      await file.close();
    },
  );

  test('is the same bytes whenever the same is written', async () => {
    const one = await container('one', data(100), [put('a', 100)]);
    const two = await container('two', data(100), [put('a', 100)]);
    expect(one.digest).toBe(two.digest);
  });

  test('without commands and data is a switch', async () => {
    const path = join(directory, 'switch');
    const header = switchAssignment({
      assignmentId: 'www-8',
      runId: 'run-1',
      site: 'www',
      sequence: 8n,
      switchToSequence: 7n,
      switchAtMs: 0n,
      resultTreeDigest: new Uint8Array(32),
      nodes: ['paris-1'],
      agentType: 'posix/1',
      issuedAtMs: 5n,
      expiresAtMs: 6n,
    });
    await writeAssignment({ path, header, commands: [], keys: [key] });
    const head = await openContainer(path, trust);
    expect(head.layout).toMatchObject({ blockCount: 0, bodyBytes: 0 });
    expect(head.header).toMatchObject({ type: JobType.SWITCH, switchToSequence: 7n, part: 1 });
    expect(await readCommands(path, head)).toEqual([]);
  });

  test('is refused when any one bit of it is flipped', async () => {
    const { bytes } = await container('flips', data(10), [put('a', 10)]);
    expect(open(bytes).header.site).toBe('www');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => open(flipped)).toThrow(AssignmentRefused);
    }
  });

  test('is refused when it is cut off or goes on', async () => {
    const { path, bytes } = await container('cut', data(70_000), [put('a', 70_000)]);
    const { headBytes } = parsePreamble(bytes);
    for (let length = 0; length < headBytes; length++) {
      const cut = bytes.subarray(0, length);
      expect(() => openHead(cut, trust)).toThrow(AssignmentRefused);
    }
    for (const other of [bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.alloc(1)])]) {
      await writeFile(`${path}.other`, other);
      await expect(openContainer(`${path}.other`, trust)).rejects.toThrow(AssignmentRefused);
    }
  });

  test('is refused when somebody else signed it', async () => {
    const { bytes } = await container('stranger', data(10), [put('a', 10)], [stranger]);
    expect(() => open(bytes)).toThrow(expect.objectContaining({ reason: 'untrusted' }));
    expect(open(bytes, { keys: [stranger.publicKey], threshold: 1 }).header.site).toBe('www');
  });

  test('refuses the block of another container, and its own at another place', async () => {
    const mine = await container('mine', data(200_000), [put('a', 200_000)]);
    const other = await container('other', data(200_000, 9), [put('a', 200_000)]);
    const head = open(mine.bytes);
    const block = (of: Sample, index: number) => {
      const { offset, length } = blockRange(head.layout, index);
      return of.bytes.subarray(offset, offset + length);
    };
    expect(verifyBlock(head, 1, block(mine, 1))).toBe(true);
    expect(verifyBlock(head, 1, block(other, 1))).toBe(false);
    expect(verifyBlock(head, 2, block(mine, 1))).toBe(false);
    expect(verifyBlock(head, 1, block(mine, 1).subarray(1))).toBe(false);
    for (const index of [-1, 0.5, head.layout.blockCount]) {
      expect(verifyBlock(head, index, block(mine, 1))).toBe(false);
      expect(() => blockRange(head.layout, index)).toThrow(RangeError);
    }
  });

  test('names the first damaged block of a file', async () => {
    const { path, bytes } = await container('damaged', data(200_000), [put('a', 200_000)]);
    const head = await openContainer(path, trust);
    const damaged = Buffer.from(bytes);
    const { offset } = blockRange(head.layout, 2);
    damaged[offset] = (damaged[offset] as number) ^ 1;
    await writeFile(path, damaged);
    await expect(verifyBody(path, head)).rejects.toThrow('block 2');
  });
});

describe('a preamble', () => {
  test('that promises too much is refused before anything is read', () => {
    const preamble = Buffer.alloc(32);
    preamble.write('ESPALIER', 'latin1');
    preamble.writeUInt16BE(1, 8);
    preamble.writeBigUInt64BE(2n ** 63n, 24);
    expect(() => parsePreamble(preamble)).toThrow(expect.objectContaining({ reason: 'too-large' }));
    preamble.writeBigUInt64BE(0n, 24);
    expect(parsePreamble(preamble).containerBytes).toBe(32);
    preamble.writeUInt32BE(2 ** 31, 12);
    expect(() => parsePreamble(preamble)).toThrow(expect.objectContaining({ reason: 'too-large' }));
  });
});
