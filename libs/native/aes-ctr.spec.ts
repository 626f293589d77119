import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { aesCtr, portableAesCtr } from './aes-ctr.js';

test.each([
  [0, 1],
  [0, 65_536],
  [7, 4_099],
])('skipping %i bytes, %i bytes come out as from node:crypto, in place too', (skipped, length) => {
  const [key, counter, source] = [randomBytes(32), randomBytes(16), randomBytes(length)];
  const expected = Buffer.alloc(length);
  portableAesCtr(key, counter, skipped, source, expected);
  const apart = Buffer.alloc(length);
  aesCtr()(key, counter, skipped, source, apart);
  expect(apart.equals(expected)).toBe(true);
  aesCtr()(key, counter, skipped, source, source);
  expect(source.equals(expected)).toBe(true);
});

test('this host has the quick one', () => {
  expect(process.platform === 'linux' && aesCtr() === portableAesCtr).toBe(false);
});
