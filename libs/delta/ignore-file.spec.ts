import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { scanTree } from './adapters/scan-tree.js';
import type { FilterRule } from './filter.js';
import { parseIgnoreFile } from './ignore-file.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'espalier-ignore-'));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function write(files: Record<string, string>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

async function filesWith(rules: FilterRule[] = []): Promise<string[]> {
  const { manifest } = await scanTree(root, { rules });
  return manifest.filter(({ type }) => type === 'file').map(({ path }) => path);
}

test('an ignore file has one pattern a line, exceptions and comments', () => {
  expect(parseIgnoreFile('# drafts\r\n\n  *.tmp \n!keep.tmp\n\\#odd\n!\n')).toEqual([
    { include: false, pattern: '*.tmp' },
    { include: true, pattern: 'keep.tmp' },
    { include: false, pattern: '#odd' },
  ]);
});

test('what an ignore file names is not published, nor is the ignore file', async () => {
  write({ '.espalierignore': '!keep.tmp\n*.tmp\n/only\n', a: '', 'b.tmp': '', only: '' });
  write({ 'd/keep.tmp': '', 'd/c.tmp': '', 'd/only': '' });
  expect(await filesWith()).toEqual(['a', 'd/keep.tmp', 'd/only']);
});

test('an ignore file of a directory comes before those above, and counts there only', async () => {
  write({ '.espalierignore': '*.tmp\n', 'a/.espalierignore': '!*.tmp\n/x/y\n' });
  write({ 'a/1.tmp': '', 'a/x/y': '', 'a/x/z.tmp': '', 'b/1.tmp': '', 'b/x/y': '' });
  expect(await filesWith()).toEqual(['a/1.tmp', 'a/x/z.tmp', 'b/x/y']);
});

test('the rules of the site come before any ignore file', async () => {
  write({ '.espalierignore': 'a\n', a: '', b: '' });
  const rules = [
    { include: true, pattern: 'a' },
    { include: false, pattern: 'b' },
  ];
  expect(await filesWith(rules)).toEqual(['a']);
  expect(await filesWith([{ include: true, pattern: '.espalierignore' }])).toEqual([
    ...['.espalierignore', 'b'],
  ]);
});
