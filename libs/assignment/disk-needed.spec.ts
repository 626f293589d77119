import { expect, test } from '@jest/globals';
import type { Manifest, TreeEntry } from '#libs/content-store/manifest.js';
import { diffManifests } from '#libs/delta/diff.js';
import { diskNeeded } from './disk-needed.js';

const unit = 4096;
const digestOf = (letter: string) => letter.repeat(64);

function file(path: string, sizeBytes: number, { digest = digestOf('a'), mtimeMs = 1 } = {}) {
  return { type: 'file', path, mode: 0o644, mtimeMs, sizeBytes, digest } as const;
}

const needed = (base: Manifest, result: Manifest) =>
  diskNeeded(diffManifests(base, result), result);

test('an empty tree takes its directory', () => {
  expect(needed([], [])).toBe(unit);
});

test.each([
  [0, 0],
  [1, 1],
  [unit, 1],
  [unit + 1, 2],
])('a file of %d bytes takes %d units beside its directory and manifest', (bytes, units) => {
  expect(needed([], [file('a', bytes)])).toBe((2 + units) * unit);
});

test('what is shared with the base takes nothing, what only looks like it takes all', () => {
  const base = [file('a', 10 * unit), file('b', 10 * unit, { digest: digestOf('b') })];
  const moved = { ...base[0], path: 'c' } as TreeEntry;
  expect(needed(base, [...base])).toBe(2 * unit);
  expect(needed(base, [base[1] as TreeEntry, moved])).toBe(2 * unit);
  const touched = file('a', 10 * unit, { mtimeMs: 2 });
  expect(needed(base, [touched, base[1] as TreeEntry])).toBe(12 * unit);
});

test('a link takes more than its inode when its target is long', () => {
  const link = (length: number) =>
    ({ type: 'symlink', path: 'a', target: 't'.repeat(length) }) as const;
  expect([59, 60, 4096].map((length) => needed([], [link(length)]))).toEqual(
    // The manifest has the target too.
    [2 * unit, 3 * unit, 4 * unit],
  );
});

test('each directory takes what the names in it take', () => {
  const empty = { type: 'directory', path: 'a', mode: 0o755 } as const;
  expect(needed([], [empty])).toBe(3 * unit);
  const many = Array.from({ length: 100 }, (_, index) =>
    file(`a/${String(index).padStart(92, 'n')}`, 0),
  );
  // 24 bytes and 100 names of 100 bytes are 3 blocks, at worst 6, and an index.
  const manifest = Math.ceil((81 + 100 * (80 + 94)) / unit) * unit;
  expect(needed([], [empty, ...many])).toBe(unit + 7 * unit + manifest);
});
