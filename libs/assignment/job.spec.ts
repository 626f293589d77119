import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type Command,
  CommandSchema,
  Compression,
  DataSliceSchema,
} from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { contentOfBlock, openBlock, sealBlock, sealedLength } from './block-cipher.js';
import { measureBody, measureJob } from './body.js';
import { openBody } from './body-source.js';
import {
  blockBytes,
  blockProof,
  blockRange,
  verifyBlock,
  verifyBlockByProof,
} from './container.js';
import { newDataKey } from './data-key.js';
import { openJob, type Part } from './job.js';
import { openContainer } from './reader.js';
import { writeContainer } from './writer.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const trust = { keys: [key.publicKey], threshold: 1 };
const wrapped = newDataKey({ site: 'www', runId: 'run-1' }, [
  { node: 'a', publicKey: key.publicKey },
]);
const data = Buffer.from(Array.from({ length: 700_000 }, (_, at) => (at * 7 + (at >> 9)) & 0xff));
const commands: Command[] = Array.from({ length: 300 }, (_, index) => {
  const path = `${'directory/'.repeat(10)}file-${index}`;
  return create(CommandSchema, { command: { case: 'deleteFile', value: { path } } });
});

let directory: string;
let dataPath: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-job-'));
  dataPath = join(directory, 'data');
  await writeFile(dataPath, data);
});
afterAll(() => rm(directory, { recursive: true }));

async function written(maxBodyBytes: number, isSealed: boolean): Promise<Part[]> {
  const { dataKey, encryption } = wrapped;
  const measuring = { maxBodyBytes, ...(isSealed ? { dataKey } : {}) };
  const parts: Part[] = [];
  for (const body of await measureJob(commands, dataPath, measuring)) {
    const path = join(directory, `part-${parts.length}`);
    const sequence = BigInt(parts.length + 1);
    const header = { assignmentId: `www-${sequence}`, site: 'www', runId: 'run-1', sequence };
    await writeContainer(path, { ...header, ...(isSealed ? { encryption } : {}) }, body, [key]);
    expect((await readFile(path)).length).toBeLessThanOrEqual(maxBodyBytes + 4096 + 32 * 20);
    const head = await openContainer(path, trust);
    parts.push({ path, head, ...(isSealed ? { dataKey } : {}) });
  }
  return parts;
}

describe.each([
  ['open', false],
  ['sealed', true],
])('an %s job', (_kind, isSealed) => {
  test.each([4 * 1024 ** 3, 131_072, 65_537])(
    'in bodies of at most %d bytes is read as if it were in one',
    async (maxBodyBytes) => {
      const parts = await written(maxBodyBytes, isSealed);
      const job = await openJob(parts.toReversed());
      const read: Command[] = [];
      for await (const command of job.commands()) read.push(command);
      expect(read).toEqual(commands);
      const slice = (offset: number, length: number) =>
        create(DataSliceSchema, {
          ...{ offset: BigInt(offset), length: BigInt(length) },
          compression: Compression.NONE,
        });
      for (const [offset, length] of [
        [0, 700_000],
        [1, 1],
        [65_519, 2],
        [300_000, 200_001],
      ] as const) {
        const bytes = await job.data.read(slice(offset, length), length);
        expect(Buffer.compare(bytes, data.subarray(offset, offset + length))).toBe(0);
      }
      const beyond = job.data.read(slice(699_999, 2), 2);
      await expect(beyond).rejects.toMatchObject({ reason: 'damaged' });
      await job.data.close();
    },
  );

  test('is refused with a part missing, twice or of another length', async () => {
    const [first, second, ...others] = await written(131_072, isSealed);
    if (!first || !second) throw new Error('there should be many parts');
    for (const parts of [
      [],
      [first, ...others],
      [first, first, ...others],
      [first, second, second, ...others],
    ]) {
      await expect(openJob(parts)).rejects.toMatchObject({ reason: 'malformed' });
    }
  });

  test('any block proves itself to who has the signed header only', async () => {
    const [part] = await written(4 * 1024 ** 3, isSealed);
    if (!part) throw new Error('there should be one part');
    const { head, path } = part;
    const container = await readFile(path);
    for (let index = 0; index < head.layout.blockCount; index++) {
      const { offset, length } = blockRange(head.layout, index);
      const block = container.subarray(offset, offset + length);
      const proof = blockProof(head, index);
      const check = (at: number, bytes: Uint8Array, by: readonly Uint8Array[]) =>
        verifyBlockByProof(head.header, at, bytes, by);
      expect(verifyBlock(head, index, block)).toBe(true);
      expect(check(index, block, proof)).toBe(true);
      expect(check(index + 1, block, proof)).toBe(false);
      expect(check(index, block, proof.slice(1))).toBe(false);
      expect(check(index, block, [...proof, Buffer.alloc(32)])).toBe(false);
      const forged = Buffer.from(block);
      forged[0] = (forged[0] as number) ^ 1;
      expect(check(index, forged, proof)).toBe(false);
    }
    expect(() => blockProof(head, head.layout.blockCount)).toThrow(RangeError);
  });

  test('is read anywhere, every block checked on the way', async () => {
    const [part] = await written(4 * 1024 ** 3, isSealed);
    if (!part) throw new Error('there should be one part');
    const { head, path, dataKey } = part;
    const body = await openBody(path, head, { dataKey, verify: true });
    const start = Number(head.header.commandsBytes);
    const anywhere = fc.tuple(fc.nat(699_999), fc.nat(200_000));
    await fc.assert(
      fc.asyncProperty(anywhere, async ([offset, most]) => {
        const length = Math.min(most, 700_000 - offset);
        const bytes = await body.read(start + offset, length);
        expect(Buffer.compare(bytes, data.subarray(offset, offset + length))).toBe(0);
      }),
      { numRuns: 50 },
    );
    await body.close();
    const container = await readFile(path);
    const { offset } = blockRange(head.layout, 3);
    container[offset] = (container[offset] as number) ^ 1;
    await writeFile(path, container);
    const damaged = await openBody(path, head, { dataKey, verify: true });
    await expect(damaged.read(3 * blockBytes, 10)).rejects.toMatchObject({ reason: 'damaged' });
    expect((await damaged.read(0, 10)).length).toBe(10);
    await damaged.close();
  });
});

describe('a sealed block', () => {
  const { dataKey } = wrapped;
  const plain = Buffer.from('content of a block');
  const sealed = sealBlock(dataKey, { part: 1, index: 7 }, plain);
  const refused = expect.objectContaining({ reason: 'damaged' });

  test('opens with its key at its place only', () => {
    expect(openBlock(dataKey, { part: 1, index: 7 }, sealed)).toEqual(plain);
    const otherKey = Buffer.from(dataKey).fill(1, 0, 1);
    expect(() => openBlock(dataKey, { part: 1, index: 8 }, sealed)).toThrow(refused);
    expect(() => openBlock(dataKey, { part: 2, index: 7 }, sealed)).toThrow(refused);
    expect(() => openBlock(otherKey, { part: 1, index: 7 }, sealed)).toThrow(refused);
  });

  test('is refused when any bit of it is flipped or its end is missing', () => {
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = Buffer.from(sealed);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => openBlock(dataKey, { part: 1, index: 7 }, flipped)).toThrow(refused);
    }
    for (let length = 0; length < sealed.length; length++) {
      const cut = sealed.subarray(0, length);
      expect(() => openBlock(dataKey, { part: 1, index: 7 }, cut)).toThrow(refused);
    }
  });

  test('fills a block exactly', () => {
    const content = contentOfBlock(blockBytes);
    expect(sealedLength(content, blockBytes)).toBe(blockBytes);
    expect(sealedLength(content + 1, blockBytes)).toBe(blockBytes + 17);
    expect(sealedLength(0, blockBytes)).toBe(0);
  });
});

test('a body is not written with keys it was not sealed with', async () => {
  const body = await measureBody(commands, dataPath);
  const { encryption } = wrapped;
  const path = join(directory, 'contradictory');
  const header = { assignmentId: 'www-1', site: 'www', encryption };
  await expect(writeContainer(path, header, body, [key])).rejects.toThrow('wrapped keys');
});
