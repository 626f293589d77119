import { expect, test } from '@jest/globals';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { planSegments, type RandomAccess, type Segment } from './segments.js';

const noise = (bytes: number, seed: number) => {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: bytes }, () => random() * 256);
};
const access = (bytes: Uint8Array): RandomAccess => ({
  sizeBytes: bytes.length,
  read: async (offset, length) => bytes.subarray(offset, offset + length),
});
const sizes = { segmentBytes: 50_000, marginBytes: 10_000 };

async function plan(base: Uint8Array, wanted: Uint8Array): Promise<Segment[]> {
  const segments: Segment[] = [];
  for await (const segment of planSegments(access(base), access(wanted), sizes)) {
    segments.push(segment);
  }
  return segments;
}

test('segments cover the wanted file, each with its surroundings in the base', async () => {
  const base = noise(180_000, 1);
  const segments = await plan(base, base);
  expect(segments.map(({ wanted }) => wanted)).toEqual([
    { offset: 0, length: 50_000 },
    { offset: 50_000, length: 50_000 },
    { offset: 100_000, length: 50_000 },
    { offset: 150_000, length: 30_000 },
  ]);
  expect(segments[1]?.base).toEqual({ offset: 40_000, length: 70_000 });
  expect(segments[3]?.base).toEqual({ offset: 140_000, length: 40_000 });
});

test('content that has moved far is found by its anchors', async () => {
  const base = noise(400_000, 2);
  const wanted = Buffer.concat([base.subarray(300_000), base.subarray(0, 300_000)]);
  const segments = await plan(base, wanted);
  const moved = segments.filter(({ wanted: { offset } }) => offset >= 100_000);
  expect(moved.length).toBe(6);
  for (const { wanted: range, base: found } of moved) {
    expect(found.offset).toBeLessThanOrEqual(range.offset - 100_000);
    const end = range.offset - 100_000 + range.length;
    expect(found.offset + found.length).toBeGreaterThanOrEqual(end);
  }
});

test('without a base there is nothing to patch from', async () => {
  const segments = await plan(new Uint8Array(0), noise(60_000, 3));
  expect(segments.map(({ base }) => base.length)).toEqual([0, 0]);
});
