import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { probeNative } from './capabilities.js';
import { fsyncTree, syncfs } from './syncfs.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-sync-'));
  await mkdir(join(directory, 'inner'));
  await writeFile(join(directory, 'inner', 'file'), 'content');
  await symlink('nowhere', join(directory, 'dangling'));
});
afterEach(() => rm(directory, { recursive: true }));

test('a tree is flushed by its file system and file by file', async () => {
  await syncfs(directory);
  await fsyncTree(directory);
});

test('a path that is not there is reported', async () => {
  await expect(syncfs(join(directory, 'absent'))).rejects.toThrow('absent');
  await expect(fsyncTree(join(directory, 'absent'))).rejects.toThrow('absent');
});

test('the capability record agrees with itself', () => {
  const capabilities = probeNative();
  expect(capabilities.zstdPrefix).toBe(capabilities.zstd === 'libzstd');
  expect(capabilities.syncfs).toBe(capabilities.syncMethod === 'syncfs');
});
