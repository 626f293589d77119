import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Manifest } from '#libs/content-store/manifest.js';
import { scanTree } from './adapters/scan-tree.js';
import { requireDistinctNames, requirePortableNames, requireUsableNames } from './names.js';
import { UnusableNames } from './scan-errors.js';

const tree = (...paths: string[]): Manifest =>
  paths.map((path) => ({ type: 'directory', path, mode: 0o755 }));

test('names that differ by case or normalisation only are refused with a list', () => {
  requireDistinctNames(tree('a', 'b', 'a/b', 'b/a', 'straße'));
  const clashing = tree('A', 'a', 'b', 'caf\u00e9', 'cafe\u0301', 'dir/X', 'dir/x');
  expect(() => requireDistinctNames(clashing)).toThrow(
    '"A = a", "caf\u00e9 = cafe\u0301", "dir/X = dir/x"',
  );
});

test('a long list ends with how many more there are', () => {
  const names = Array.from({ length: 25 }, (_, index) => [`n${index}`, `N${index}`]).flat();
  expect(() => requireDistinctNames(tree(...names))).toThrow('and 5 more');
});

test('lone surrogates are refused with a list', () => {
  expect(() => requireUsableNames('/srv', tree('a', 'b\ud800', '😀'))).toThrow('"b\\ud800"');
});

test('names that other systems reserve are refused with a list', () => {
  requirePortableNames(tree('a', 'a/console', 'com10', 'x~y'));
  expect(() => requirePortableNames(tree('CON', 'a', 'a/x.', 'b:c'))).toThrow(
    '"CON", "a/x.", "b:c"',
  );
});

test('a scan is refused for names that no server takes, with all of them', async () => {
  const root = mkdtempSync(join(tmpdir(), 'espalier-names-'));
  for (const name of ['a\ufffd', 'b', 'c\n']) writeFileSync(join(root, name), '');
  symlinkSync('\u001b[2J', join(root, 'd'));
  const refused = scanTree(root, { rules: [] });
  await expect(refused).rejects.toThrow(UnusableNames);
  await expect(refused).rejects.toThrow('"a\ufffd", "c\\n", "d"');
  const rules = [{ include: false, pattern: '[acd]*' }];
  expect((await scanTree(root, { rules })).manifest.map(({ path }) => path)).toEqual(['b']);
  rmSync(root, { recursive: true });
});
