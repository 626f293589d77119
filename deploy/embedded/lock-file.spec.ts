import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { scratchDirectory } from '#test/support/servers.js';
import { lockDirectory } from './data-directory.js';
import { type Lock, tryLock } from './lock-file.js';
import { identityOf } from './process-identity.js';

describe('a lock file', () => {
  let directory: string;
  let path: string;

  beforeEach(async () => {
    directory = await scratchDirectory();
    path = join(directory, 'lock');
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  test('is held by one at a time, and names the holder', async () => {
    const first = (await tryLock(path)) as Lock;
    expect(await tryLock(path)).toEqual({ heldByPid: process.pid });
    await first.release();
    expect(await tryLock(path)).toHaveProperty('release');
  });

  test('is won by exactly one of many', async () => {
    const results = await Promise.all(Array.from({ length: 50 }, () => tryLock(path)));
    expect(results.filter((result) => 'release' in result)).toHaveLength(1);
  });

  test('of a dead process is won by exactly one of many', async () => {
    await writeFile(path, '4194305 1 some-boot');
    const results = await Promise.all(Array.from({ length: 50 }, () => tryLock(path)));
    expect(results.filter((result) => 'release' in result)).toHaveLength(1);
  });

  test('is taken over when its process number now belongs to another process', async () => {
    const own = `${await identityOf(process.pid)}`;
    await writeFile(path, own.replace(/ (\d+)/, ' $11'));
    expect(await tryLock(path)).toHaveProperty('release');
  });

  test('refuses a directory in use, with what to do', async () => {
    await lockDirectory(directory);
    await expect(lockDirectory(directory)).rejects.toMatchObject({
      name: 'DataDirectoryInUse',
      pid: process.pid,
      message: `The data directory ${directory} is in use by process ${process.pid}`,
    });
  });
});
