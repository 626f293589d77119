import { createHash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isSettled, type ScanCache } from '../scan.js';
import { ScanRecord } from '../scan-cache.js';
import { scanTree } from './scan-tree.js';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'espalier-scan-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const at = (path: string) => join(root, path);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const scan = (previous?: ScanCache) => scanTree(root, { rules: [], previous });

/** Writes a file that has not changed for long. */
function writeOld(path: string, content: string, atSeconds = 1_000_000): void {
  writeFileSync(at(path), content);
  utimesSync(at(path), atSeconds, atSeconds);
}

describe('a scan that knows an earlier one', () => {
  /** A cache as it is once the file system's clock has moved on. */
  async function settledCache(): Promise<ScanCache> {
    const record = new ScanRecord();
    for (const entry of (await scan()).manifest) {
      const {
        dev: device,
        ino: inode,
        size: sizeBytes,
        mtimeMs,
        ctimeMs,
      } = lstatSync(at(entry.path));
      record.add(entry, { device, inode, sizeBytes, mtimeMs, ctimeMs });
    }
    return record.sorted();
  }

  test('reads only what changed', async () => {
    for (const name of ['a', 'b', 'c']) writeOld(name, `content ${name}`);
    const cache = await settledCache();
    writeOld('b', 'content B');
    const { manifest, filesRead } = await scan(cache);
    expect(filesRead).toBe(1);
    const contents = manifest.map((entry) => entry.type === 'file' && entry.digest);
    expect(contents).toEqual([sha256('content a'), sha256('content B'), sha256('content c')]);
  });

  test('finds what it knows among new, deleted and renamed files of many directories', async () => {
    for (const name of ['a', 'b', 'b/c', 'd', 'é😀', 'é\uffee']) mkdirSync(at(name));
    const names = ['a-', 'a/x', 'b/a', 'b/c/y', 'b/z', 'd/a', 'd/b', 'd/c', 'é😀/a', 'é\uffee/a'];
    for (const name of names) writeOld(name, `content ${name}`);
    const cache = await settledCache();
    for (const name of ['a/first', 'b/c/new', 'd/bb', 'zz']) writeOld(name, 'new');
    for (const name of ['d/a', 'b/c/y']) unlinkSync(at(name));
    renameSync(at('b/z'), at('a/z'));
    const { manifest, filesRead } = await scan(cache);
    expect(filesRead).toBe(5);
    expect(manifest).toEqual((await scan()).manifest);
  });

  test('shares the entries of what has not changed: a large tree is in memory once', async () => {
    for (const name of ['a', 'b']) writeOld(name, 'content');
    const cache = await settledCache();
    writeOld('a', 'other');
    const { manifest } = await scan(cache);
    expect(manifest[0]).not.toBe(cache.manifest[0]);
    expect(manifest[1]).toBe(cache.manifest[1]);
  });

  test('notices a change that keeps size and modification time', async () => {
    writeOld('a', 'one');
    const cache = await settledCache();
    writeOld('other', 'two');
    renameSync(at('other'), at('a'));
    const { manifest } = await scan(cache);
    expect(manifest).toMatchObject([{ digest: sha256('two') }]);
  });

  test('takes a new mode from the file, not from the cache', async () => {
    writeOld('a', 'one');
    const cache = await settledCache();
    chmodSync(at('a'), 0o751);
    expect((await scan(cache)).manifest).toMatchObject([{ mode: 0o751, digest: sha256('one') }]);
  });

  test('does not rely on files that were written a moment ago', async () => {
    writeFileSync(at('a'), 'one');
    const { cache } = await scan();
    expect(await scan(cache)).toMatchObject({ filesRead: 1 });
  });

  test('relies on metadata that are older than the resolution of file times', () => {
    const identity = { device: 1, inode: 1, sizeBytes: 1, mtimeMs: 10_000, ctimeMs: 20_000 };
    expect(isSettled(identity, 22_000)).toBe(false);
    expect(isSettled(identity, 22_001)).toBe(true);
    expect(isSettled({ ...identity, mtimeMs: 30_000 }, 22_001)).toBe(false);
  });
});
