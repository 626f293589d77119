import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { UnreadableFile } from '../scan-errors.js';
import { FileDigests } from './file-digests.js';
import { scanTree } from './scan-tree.js';
import { type FoundFile, findFile } from './walk.js';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'espalier-threads-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, content: string): FoundFile {
  writeFileSync(join(root, path), content);
  return findFile(root, path) as FoundFile;
}

const sha256 = (content: string) => createHash('sha256').update(content).digest('hex');

async function digests(files: readonly FoundFile[]): Promise<Map<string, string>> {
  const kept = new Map<string, string>();
  const reading = new FileDigests({
    root,
    pause: () => undefined,
    keep: ({ file, digest }) => kept.set(file.path, digest),
  });
  try {
    for (const file of files) reading.add(file);
    expect(reading.isOnThreads).toBe(files.length >= 2_000);
    await reading.finish();
    return kept;
  } finally {
    await reading.close();
  }
}

describe('files that are read on threads', () => {
  test('may be few: then they are read here', async () => {
    const kept = await digests([write('a', 'x'), write('b', 'y'.repeat(300_000))]);
    expect(kept.get('a')).toBe(sha256('x'));
    expect(kept.get('b')).toBe(sha256('y'.repeat(300_000)));
  });

  test('have the digests of what is in them, small or large', async () => {
    const contents = new Map<string, string>();
    for (let index = 0; index < 2_500; index++) contents.set(`f${index}`, `content ${index}`);
    contents.set('large', 'x'.repeat(6_000_000)).set('larger', 'y'.repeat(9_000_000));
    const files = [...contents].map(([path, content]) => write(path, content));
    const expected = new Map([...contents].map(([path, content]) => [path, sha256(content)]));
    expect(await digests(files)).toEqual(expected);
  });

  test('may have changed or gone since they were found', async () => {
    const files = Array.from({ length: 2_400 }, (_, index) => write(`f${index}`, 'old'));
    for (let index = 0; index < 2_400; index += 3) {
      writeFileSync(join(root, `f${index}`), 'newer');
      rmSync(join(root, `f${index + 1}`));
    }
    const kept = await digests(files);
    expect(kept.size).toBe(1_600);
    expect(kept.get('f0')).toBe(sha256('newer'));
    expect(kept.get('f2')).toBe(sha256('old'));
  });

  test('are named when they cannot be read', async () => {
    const files = Array.from({ length: 2_400 }, (_, index) => write(`f${index}`, 'old'));
    const named = files.map((file) => ({ ...file, path: `${file.path}\0` }));
    await expect(digests(named)).rejects.toThrow(UnreadableFile);
  });

  test('are all of a large tree, which is described as ever', async () => {
    for (let index = 0; index < 2_100; index++) write(`f${index}`, `${index}`);
    const { manifest, filesRead, bytesRead } = await scanTree(root, { rules: [] });
    expect({ filesRead, bytesRead }).toEqual({ filesRead: 2_100, bytesRead: 7_290 });
    expect(manifest).toContainEqual(
      expect.objectContaining({ path: 'f2099', digest: sha256('2099'), sizeBytes: 4 }),
    );
  });
});
