import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { ComparedCopy } from './compared-copy.js';
import { geometryOf } from './geometry.js';

test('a copy of marks reads as what was written right, and as zeros elsewhere', () => {
  const original = randomBytes(200_000);
  const copy = new ComparedCopy(original, geometryOf(original.length, 700, 1_400));
  copy.write(0, original.subarray(0, 70_000));
  copy.write(70_000, original.subarray(70_000));
  expect(copy.isWhole).toBe(true);
  expect(copy.read(0, 200_000).equals(original)).toBe(true);
  copy.write(2_800, randomBytes(1_400));
  expect(copy.isWhole).toBe(false);
  expect(copy.read(2_800, 1_400).equals(Buffer.alloc(1_400))).toBe(true);
  expect(copy.read(4_200, 1_400).equals(original.subarray(4_200, 5_600))).toBe(true);
});
