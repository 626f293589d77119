import { expect, test } from '@jest/globals';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { SimilarFiles, SketchBuilder, sketchOf } from './sketch.js';

const noise = (bytes: number, seed: number) => {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: bytes }, () => random() * 256);
};

test('an edited file is found again among others, wherever its content has moved', () => {
  const files = new SimilarFiles<number>();
  for (let seed = 1; seed <= 20; seed++) files.add(seed, sketchOf(noise(20_000, seed)));
  const old = noise(20_000, 7);
  const edited = Buffer.concat([noise(5_000, 100), old.subarray(12_000), old.subarray(0, 12_000)]);
  expect(files.mostSimilar(sketchOf(edited))).toBe(7);
});

test('a file is like none with which it shares nothing', () => {
  const files = new SimilarFiles<number>();
  files.add(1, sketchOf(noise(20_000, 1)));
  expect(files.mostSimilar(sketchOf(noise(20_000, 2)))).toBeUndefined();
  expect(files.mostSimilar(sketchOf(new Uint8Array(0)))).toBeUndefined();
});

test('a large file is found again by what it shares with an even larger one', () => {
  const files = new SimilarFiles<number>();
  const old = noise(4_000_000, 1);
  files.add(1, sketchOf(old));
  const edited = Buffer.concat([noise(2_000_000, 2), old.subarray(1_000_000)]);
  expect(files.mostSimilar(sketchOf(edited))).toBe(1);
});

test('a sketch does not depend on the pieces that a file comes in', () => {
  const content = noise(200_000, 5);
  const builder = new SketchBuilder();
  for (const bytes of [1, 31, 64, 1000, 65_536]) {
    for (let at = 0; at < content.length; at += bytes)
      builder.add(content.subarray(at, at + bytes));
    expect(builder.finish()).toEqual(sketchOf(content));
  }
});

test.each([
  { others: 31, found: 31 },
  { others: 32, found: 0 },
])('what $others files have in common is evidence for at most 32 of them', (row) => {
  const common = noise(20_000, 1);
  const own = Buffer.concat([common, noise(5_000, 2)]);
  const files = new SimilarFiles<number>();
  for (let file = 0; file < row.others; file++) files.add(file, sketchOf(common));
  files.add(row.others, sketchOf(own));
  expect(files.mostSimilar(sketchOf(own))).toBe(row.found);
});
