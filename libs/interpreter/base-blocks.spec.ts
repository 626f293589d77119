import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BaseBlocks } from './base-blocks.js';

const blockBytes = 262_144;
const bytes = new Uint8Array(12 * blockBytes + 1_000).map((_, at) => (at * 31 + (at >> 8)) % 256);

/** What the copies give, and how many bytes of the base were read for it. */
function copied(copies: readonly (readonly [number, number])[], sizeBytes = bytes.length) {
  let readBytes = 0;
  const base = {
    sizeBytes,
    all: () => {
      readBytes += bytes.length;
      return bytes;
    },
    readInto: (offset: number, target: Uint8Array) => {
      readBytes += target.length;
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
  const blocks = new BaseBlocks(base, {
    copyOffset: Float64Array.from(copies, ([offset]) => offset),
    copyLength: Float64Array.from(copies, ([, length]) => length),
    literalLength: new Float64Array(copies.length),
  });
  const all: Uint8Array[] = [];
  for (const [offset, length] of copies) {
    for (let from = offset; from < offset + length; ) {
      blocks.seek(from);
      const count = Math.min(blocks.length, offset + length - from);
      all.push(blocks.bytes.slice(blocks.at, blocks.at + count));
      from += count;
    }
  }
  return { content: Buffer.concat(all), readBytes };
}

const place = fc.nat(bytes.length - 1);

test('copies from anywhere give what is there', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(place, fc.nat(blockBytes)), { maxLength: 40 }),
      fc.boolean(),
      (given, isLarge) => {
        const copies = given.map(
          ([at, length]) => [at, Math.min(length, bytes.length - at)] as const,
        );
        const wanted = copies.map(([at, length]) => bytes.subarray(at, at + length));
        // A base of more than 64 MiB is never read whole.
        const { content } = copied(copies, isLarge ? 2 ** 27 : bytes.length);
        expect(content.equals(Buffer.concat(wanted))).toBe(true);
      },
    ),
  );
});

test('copies from the beginning to the end read every byte once', () => {
  const copies = Array.from({ length: 124 }, (_, at) => [at * 25_000, 20_000] as const);
  expect(copied(copies).readBytes).toBeLessThanOrEqual(bytes.length);
});

test('copies that jump between distant blocks do not read them each time', () => {
  const copies = Array.from({ length: 400 }, (_, at) => [(at % 3) * 4 * blockBytes, 100] as const);
  expect(copied(copies, 2 ** 27).readBytes).toBe(3 * blockBytes);
});
