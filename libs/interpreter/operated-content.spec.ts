import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type PatchOperation, PatchOperationSchema } from '#libs/contracts/index.js';
import { operatedContent } from './operated-content.js';

/** What the operations mean, byte by byte. */
function meaning(base: Uint8Array, operations: PatchOperation[], bytes: Uint8Array, adds: boolean) {
  const result: number[] = [];
  let taken = 0;
  for (const { copyOffset, copyLength, literalLength } of operations) {
    for (let at = 0; at < Number(copyLength); at++) {
      const copied = base[Number(copyOffset) + at] ?? 0;
      result.push(adds ? (copied + (bytes[taken++] ?? 0)) & 255 : copied);
    }
    for (let at = 0; at < Number(literalLength); at++) result.push(bytes[taken++] ?? 0);
  }
  return Buffer.from(result);
}

async function* inPieces(bytes: Uint8Array, pieceBytes: number) {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

async function collected(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece.slice());
  return Buffer.concat(all);
}

function baseOf(bytes: Uint8Array, sizeBytes = bytes.length) {
  return {
    sizeBytes,
    all: () => bytes,
    readInto: (offset: number, target: Uint8Array) =>
      target.set(bytes.subarray(offset, offset + target.length)),
  };
}

const base = Buffer.from(Array.from({ length: 400 }, (_, at) => (at * 37) % 256));
const operation = fc.record({
  copyOffset: fc.nat(200),
  copyLength: fc.nat(200),
  literalLength: fc.nat(60),
});

test('any operations make what they mean, however the bytes come', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 20 }),
      fc.boolean(),
      fc.boolean(),
      fc.integer({ min: 1, max: 90 }),
      async (given, adds, isLarge, pieceBytes) => {
        const operations = given.map(({ copyOffset, copyLength, literalLength }) =>
          create(PatchOperationSchema, {
            copyOffset: BigInt(copyOffset),
            copyLength: BigInt(copyLength),
            literalLength: BigInt(literalLength),
          }),
        );
        const bytes = Buffer.from(Array.from({ length: 6_000 }, (_, at) => (at * 11) % 256));
        // A base of more than 64 MiB is read in ranges.
        const patchBase = baseOf(base, isLarge ? 2 ** 27 : base.length);
        const made = operatedContent(operations, patchBase, inPieces(bytes, pieceBytes), adds);
        expect(await collected(made)).toEqual(meaning(base, operations, bytes, adds));
      },
    ),
  );
});

test('content that is longer than a piece comes whole, and no byte twice', async () => {
  const large = Buffer.from(Array.from({ length: 700_001 }, (_, at) => at % 251));
  const copyLength = BigInt(large.length);
  const operations = [create(PatchOperationSchema, { copyLength, literalLength: 5n })];
  const bytes = Buffer.concat([Buffer.alloc(large.length, 1), Buffer.from('hello')]);
  const made = operatedContent(operations, baseOf(large), inPieces(bytes, 65_536), true);
  expect((await collected(made)).equals(meaning(large, operations, bytes, true))).toBe(true);
});

test('bytes that end early end the content', async () => {
  const operations = [create(PatchOperationSchema, { copyLength: 100n, literalLength: 9n })];
  const made = operatedContent(operations, baseOf(base), inPieces(Buffer.alloc(40), 10), true);
  expect((await collected(made)).length).toBeLessThan(109);
});
