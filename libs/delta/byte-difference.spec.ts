import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { newMemory } from '#libs/native/work-memory.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { differenceBytes, differenceOperations } from './byte-difference.js';

const noise = (bytes: number, seed: number) => {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: bytes }, () => random() * 256);
};

async function differ(base: Uint8Array, wanted: Uint8Array) {
  const operations = await differenceOperations(base, wanted, {
    pause: () => undefined,
    take: newMemory,
  });
  const data = Buffer.concat([...differenceBytes(base, wanted, operations)]);
  return { operations, data };
}

/** What an interpreter does. */
async function remade(base: Uint8Array, wanted: Uint8Array): Promise<Uint8Array> {
  const { operations, data } = await differ(base, wanted);
  const result = Uint8Array.from(data);
  let at = 0;
  for (const { copyOffset, copyLength, literalLength } of operations) {
    expect(copyOffset).toBeGreaterThanOrEqual(0);
    expect(copyOffset + copyLength).toBeLessThanOrEqual(base.length);
    for (let i = 0; i < copyLength; i++) {
      result[at + i] = (result[at + i] as number) + (base[copyOffset + i] as number);
    }
    at += copyLength + literalLength;
  }
  expect(at).toBe(wanted.length);
  return result;
}

test('base and difference make the wanted bytes, whatever they are', async () => {
  const pieces = fc.array(fc.tuple(fc.nat(900), fc.nat(200), fc.nat(3)), { maxLength: 12 });
  const base = noise(1_000, 1);
  await fc.assert(
    fc.asyncProperty(pieces, fc.nat(1_000), async (cuts, baseLength) => {
      const wanted = Buffer.concat(
        cuts.map(([from, length, change]) =>
          base
            .subarray(from, from + length)
            .map((byte, at) => (at % 9 === 0 ? byte + change : byte)),
        ),
      );
      const from = base.subarray(0, baseLength);
      expect(Buffer.compare(await remade(from, wanted), wanted)).toBe(0);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('the difference of a program that moved is nearly all zeros', async () => {
  const base = noise(300_000, 2);
  const shifted = base.map((byte, at) => (at % 40 < 2 ? byte + 16 : byte));
  const wanted = Buffer.concat([
    shifted.subarray(0, 99_999),
    noise(77, 3),
    shifted.subarray(99_999),
  ]);
  const { operations, data } = await differ(base, wanted);
  expect(operations.length).toBeLessThan(10);
  expect(data.filter((byte) => byte !== 0).length).toBeLessThan(wanted.length / 15);
});

test('a long run of equal bytes takes no longer than others', async () => {
  const base = new Uint8Array(400_000);
  const wanted = new Uint8Array(399_000).fill(0);
  wanted[200_000] = 1;
  expect(Buffer.compare(await remade(base, wanted), wanted)).toBe(0);
});
