import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { fileSource } from './file-source.js';

const content = randomBytes(3_000_000);
let directory: string;
let file: FileHandle;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'espalier-source-'));
  writeFileSync(join(directory, 'container'), content);
  file = await open(join(directory, 'container'));
});

afterEach(async () => {
  await file.close();
  rmSync(directory, { recursive: true });
});

test('pieces of any size are what the file holds there', async () => {
  const read = fileSource(file.fd);
  for (const [offset, length] of [
    [0, 1_000],
    [1_000, 262_144],
    [2_900_000, 100_000],
    [7, 1],
  ]) {
    const expected = content.subarray(offset, (offset ?? 0) + (length ?? 0));
    expect(expected.equals(await read(offset ?? 0, length ?? 0))).toBe(true);
  }
});

test('timers and sockets get their turn while much is read', async () => {
  const read = fileSource(file.fd);
  let isTurn = false;
  setImmediate(() => {
    isTurn = true;
  });
  for (let pieces = 0; pieces < 10; pieces++) await read(pieces * 200_000, 200_000);
  expect(isTurn).toBe(true);
});

test('a file that is shorter than its container is an error', () => {
  expect(() => fileSource(file.fd)(2_999_999, 2)).toThrow('ends at 3000000');
});
