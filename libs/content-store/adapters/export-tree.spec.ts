import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import { BlobNotFound, DigestMismatch } from '../content-store.js';
import type { Manifest } from '../manifest.js';
import { diskContentStore } from './disk-store.js';
import { ExportTargetNotEmpty, exportTree } from './export-tree.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-export-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function sample(): Promise<{ store: ReturnType<typeof diskContentStore>; tree: Manifest }> {
  const store = diskContentStore(join(directory, 'content'));
  const file = async (path: string, text: string, mode = 0o644) => {
    const digest = await store.write(Buffer.from(text));
    const sizeBytes = Buffer.byteLength(text);
    return { type: 'file' as const, path, mode, sizeBytes, mtimeMs: 1_234_567_890_123, digest };
  };
  const tree: Manifest = [
    await file('a', 'hello'),
    { type: 'directory', path: 'closed', mode: 0o555 },
    await file('closed/é', 'x'.repeat(300_000), 0o400),
    { type: 'directory', path: 'empty', mode: 0o700 },
    { type: 'symlink', path: 'link', target: '../elsewhere' },
  ];
  return { store, tree };
}

test('an exported tree is scanned as the very same manifest', async () => {
  const { store, tree } = await sample();
  const target = join(directory, 'out');
  expect(await exportTree(store, tree, target)).toEqual({ files: 2, bytes: 300_005 });
  expect((await scanTree(target, { rules: [] })).manifest).toEqual(tree);
});

test('nothing is left where content is missing or damaged', async () => {
  const { store, tree } = await sample();
  const target = join(directory, 'out');
  const lacking = tree.map((entry) =>
    entry.type === 'file' ? { ...entry, digest: '0'.repeat(64) } : entry,
  );
  await expect(exportTree(store, lacking, target)).rejects.toThrow(BlobNotFound);
  const [first] = tree;
  const path = await store.localPath(first?.type === 'file' ? first.digest : '');
  await rm(path);
  await writeFile(path, 'hellO');
  await expect(exportTree(store, tree, target)).rejects.toThrow(DigestMismatch);
  expect(await readdir(directory)).toEqual(['content']);
});

test('what is there is not overwritten', async () => {
  const { store, tree } = await sample();
  const target = join(directory, 'out');
  await mkdir(target);
  await writeFile(join(target, 'mine'), 'mine');
  await expect(exportTree(store, tree, target)).rejects.toThrow(ExportTargetNotEmpty);
  await expect(exportTree(store, tree, join(target, 'mine'))).rejects.toThrow(ExportTargetNotEmpty);
  expect(await readdir(target)).toEqual(['mine']);
});
