import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { diskContentStore } from './disk-store.js';

describe('the content store on disk', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'espalier-disk-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  test('keeps a blob under the first two digits of its digest', async () => {
    const digest = await diskContentStore(directory).write(Buffer.from('hello'));
    const path = join(directory, 'blobs', digest.slice(0, 2), digest);
    expect(await readFile(path, 'utf8')).toBe('hello');
  });

  test('gives content its name only after it was made durable', async () => {
    const seen: { content: string; named: boolean }[] = [];
    const store = diskContentStore(directory, {
      sync: async (paths) => {
        for (const path of paths) {
          const content = await readFile(path, 'utf8');
          seen.push({ content, named: await store.has(sha256(content)) });
        }
      },
    });
    await store.write(Buffer.from('hello'));
    expect(seen).toEqual([{ content: 'hello', named: false }]);
  });

  test('names nothing and leaves nothing behind when content cannot be made durable', async () => {
    const store = diskContentStore(directory, {
      sync: async () => {
        throw new Error('the disk is full');
      },
    });
    await expect(store.write(Buffer.from('hello'))).rejects.toThrow('the disk is full');
    expect(await store.has(sha256('hello'))).toBe(false);
    expect(await readdir(join(directory, 'staging'))).toEqual([]);
  });

  test('makes many files durable together', async () => {
    const groups: number[] = [];
    const store = diskContentStore(join(directory, 'store'), {
      sync: async (paths) => {
        groups.push(paths.length);
      },
    });
    const writes = Array.from({ length: 300 }, async (_, i) => {
      const path = join(directory, `file-${i}`);
      await writeFile(path, `content ${i}`);
      return path;
    });
    const paths = await Promise.all(writes);
    await Promise.all(paths.map((path, i) => store.writeFile(path, sha256(`content ${i}`))));
    expect(groups.reduce((sum, size) => sum + size, 0)).toBe(300);
    expect(groups.length).toBeLessThan(10);
  });

  test('lists exactly the damaged blobs', async () => {
    const store = diskContentStore(directory);
    await store.write(Buffer.from('sound'));
    const damaged = await store.write(Buffer.from('damaged'));
    expect(await store.verify()).toEqual([]);
    const path = await store.localPath(damaged);
    await chmod(path, 0o644);
    await writeFile(path, 'damagee');
    expect(await store.verify()).toEqual([damaged]);
  });

  test('finds nothing damaged in a store that was never used', async () => {
    expect(await diskContentStore(join(directory, 'none')).verify()).toEqual([]);
  });

  test('clears what a crash left in staging long ago, not what is being written', async () => {
    const staging = join(directory, 'staging');
    await mkdir(staging);
    await writeFile(join(staging, 'old'), 'half');
    await utimes(join(staging, 'old'), 0, 0);
    await writeFile(join(staging, 'new'), 'half');
    await diskContentStore(directory).write(Buffer.from('hello'));
    expect(await readdir(staging)).toEqual(['new']);
  });

  test('shares a directory with other stores', async () => {
    const stores = Array.from({ length: 4 }, () => diskContentStore(directory));
    const digests = await Promise.all(
      stores.flatMap((store) => ['a', 'b', 'c'].map((text) => store.write(Buffer.from(text)))),
    );
    expect(new Set(digests).size).toBe(3);
    const path = await stores[0]?.localPath(sha256('a'));
    expect(basename(dirname(path ?? ''))).toBe(sha256('a').slice(0, 2));
    expect(await stores[3]?.verify()).toEqual([]);
  });
});

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
