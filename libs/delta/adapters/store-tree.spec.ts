import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import { FileChangedWhileRead } from '../scan-errors.js';
import { scanTree } from './scan-tree.js';
import { storeTree } from './store-tree.js';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'espalier-store-tree-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

const at = (path: string) => join(root, path);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const scan = () => scanTree(root, { rules: [] });

describe('storing a scanned tree', () => {
  test('stores each content once and what the store lacks only', async () => {
    for (const name of ['a', 'b', 'c']) writeFileSync(at(name), name === 'c' ? 'two' : 'one');
    const store = memoryContentStore();
    const scanned = await scan();
    await storeTree(scanned, store);
    expect(await store.has(sha256('one'))).toBe(true);
    expect(await store.has(sha256('two'))).toBe(true);
    rmSync(at('a'));
    await storeTree(scanned, store);
  });

  test('refuses a file that changed or vanished since the scan', async () => {
    writeFileSync(at('a'), 'one');
    const scanned = await scan();
    writeFileSync(at('a'), 'two');
    await expect(storeTree(scanned, memoryContentStore())).rejects.toThrow(FileChangedWhileRead);
    unlinkSync(at('a'));
    await expect(storeTree(scanned, memoryContentStore())).rejects.toThrow(at('a'));
  });
});
