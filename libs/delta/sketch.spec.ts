import { expect, test } from '@jest/globals';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { SimilarFiles, sketchOf } from './sketch.js';

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
