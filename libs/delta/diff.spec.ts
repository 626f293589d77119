import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  comparePaths,
  type FileEntry,
  type Manifest,
  type TreeEntry,
} from '#libs/content-store/manifest.js';
import { diffManifests } from './diff.js';
import type { TreeDifference } from './tree-difference.js';

function file(path: string, content: string, change: Partial<FileEntry> = {}): FileEntry {
  const digest = Buffer.from(content).toString('hex').padEnd(64, '0');
  const sizeBytes = content.length;
  return { type: 'file', path, mode: 0o644, sizeBytes, mtimeMs: 1, digest, ...change };
}

const directory = (path: string, mode = 0o755): TreeEntry => ({ type: 'directory', path, mode });
const link = (path: string, target: string): TreeEntry => ({ type: 'symlink', path, target });

/** What somebody who has only `base` and the difference makes of them. */
function applyDifference(base: Manifest, difference: TreeDifference): Manifest {
  const tree = new Map(base.map((entry) => [entry.path, entry]));
  const { directories, symlinks } = difference;
  const remove = (entry: TreeEntry) => expect(tree.delete(entry.path)).toBe(true);
  const put = (entry: TreeEntry) => tree.set(entry.path, entry);
  const copy = (from: FileEntry, wanted: FileEntry) => {
    expect(base).toContain(from);
    put({ ...from, path: wanted.path, mode: wanted.mode, mtimeMs: wanted.mtimeMs });
  };
  for (const change of difference.typeChanged) remove(change.base);
  for (const rename of difference.renamed) remove(rename.from);
  for (const entry of difference.deleted) remove(entry);
  for (const entry of [...symlinks.removed, ...directories.removed]) remove(entry);
  for (const entry of [...directories.added, ...directories.modeChanged]) put(entry);
  for (const entry of [...symlinks.added, ...symlinks.changed]) put(entry);
  for (const entry of difference.added) put(entry);
  for (const change of difference.changed) put(change.wanted);
  for (const { from, wanted } of [...difference.copied, ...difference.renamed]) copy(from, wanted);
  for (const { base: old, wanted } of difference.metadata) {
    put({ ...old, mode: wanted.mode, mtimeMs: wanted.mtimeMs });
  }
  for (const { wanted, from } of difference.typeChanged) {
    if (from && wanted.type === 'file') copy(from, wanted);
    else put(wanted);
  }
  return [...tree.values()].sort((a, b) => comparePaths(a.path, b.path));
}

/** Small trees that share paths and contents, so that every kind of change is frequent. */
const anyTree: fc.Arbitrary<Manifest> = fc
  .dictionary(
    fc.constantFrom('a', 'b', 'd', 'd/a', 'd/b', 'd/e', 'd/e/a', 'x', 'x/a', 'x/b'),
    fc.oneof(
      fc.record({
        content: fc.constantFrom('', 'one', 'two', 'three', 'four!'),
        mode: fc.constantFrom(0o644, 0o755),
        mtimeMs: fc.constantFrom(1, 2),
      }),
      fc.constantFrom('a', 'b'),
    ),
  )
  .map((tree) => {
    const entries = new Map<string, TreeEntry>();
    for (const [path, what] of Object.entries(tree).sort(([a], [b]) => comparePaths(b, a))) {
      const parents = path.split('/').slice(0, -1);
      parents.forEach((_, i) => {
        const parent = parents.slice(0, i + 1).join('/');
        entries.set(parent, directory(parent, parent.length % 2 ? 0o755 : 0o700));
      });
      if (entries.has(path)) continue;
      if (typeof what === 'string') entries.set(path, link(path, what));
      else entries.set(path, file(path, what.content, { mode: what.mode, mtimeMs: what.mtimeMs }));
    }
    return [...entries.values()].sort((a, b) => comparePaths(a.path, b.path));
  });

describe('the difference of two trees', () => {
  test('makes one into the other', () => {
    fc.assert(
      fc.property(anyTree, anyTree, (base, wanted) => {
        expect(applyDifference(base, diffManifests(base, wanted))).toEqual(wanted);
      }),
      { numRuns: 1000 },
    );
  });

  test('counts every file and link of the wanted tree once', () => {
    fc.assert(
      fc.property(anyTree, anyTree, (base, wanted) => {
        const { counts } = diffManifests(base, wanted);
        const { added, changed, renamed, metadata, unchanged, files } = counts;
        expect(added + changed + renamed + metadata + unchanged).toBe(files);
        expect(files).toBe(wanted.filter((entry) => entry.type !== 'directory').length);
        const before = base.filter((entry) => entry.type !== 'directory').length;
        expect(before - counts.deleted + added).toBe(files);
        expect(Math.min(...Object.values(counts))).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 1000 },
    );
  });

  test('needs disk for exactly the files that are not identical', () => {
    fc.assert(
      fc.property(anyTree, anyTree, (base, wanted) => {
        const same = new Set(base.map((entry) => JSON.stringify(entry)));
        const bytes = wanted
          .filter((entry) => entry.type === 'file')
          .filter((entry) => !same.has(JSON.stringify(entry)))
          .reduce((sum, entry) => sum + entry.sizeBytes, 0);
        expect(diffManifests(base, wanted).diskNeededBytes).toBe(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  test('of a tree and itself is empty', () => {
    fc.assert(
      fc.property(anyTree, (tree) => {
        const difference = diffManifests(tree, tree);
        expect(difference.counts.unchanged).toBe(difference.counts.files);
        expect(difference.diskNeededBytes).toBe(0);
        expect(applyDifference([], { ...difference })).toEqual([]);
      }),
    );
  });

  test('sees a rename, prefers the file of the same name and uses each file once', () => {
    const base = [directory('d'), file('d/a', 'one'), file('d/b', 'one')];
    const wanted = [directory('d'), directory('e'), file('e/b', 'one'), file('f', 'one')];
    const { renamed, deleted, added, counts, changedBytes } = diffManifests(base, wanted);
    expect(renamed.map((rename) => [rename.from.path, rename.wanted.path])).toEqual([
      ['d/b', 'e/b'],
      ['d/a', 'f'],
    ]);
    expect([...deleted, ...added]).toEqual([]);
    expect(counts).toMatchObject({ renamed: 2, added: 0, deleted: 0 });
    expect(changedBytes).toBe(0);
  });

  test('calls it a copy when the old file stays, changes or is used already', () => {
    const base = [file('a', 'one'), file('b', 'two'), file('z', 'three')];
    const wanted = [
      file('a', 'one'),
      file('b', 'new'),
      file('c', 'one'),
      file('d', 'two'),
      file('x', 'three'),
      file('y', 'three'),
    ];
    const { copied, renamed, changed, counts } = diffManifests(base, wanted);
    expect(copied.map((copy) => [copy.from.path, copy.wanted.path])).toEqual([
      ['a', 'c'],
      ['b', 'd'],
      ['z', 'y'],
    ]);
    expect(renamed.map((rename) => rename.wanted.path)).toEqual(['x']);
    expect(changed.map((change) => change.wanted.path)).toEqual(['b']);
    expect(counts).toMatchObject({ added: 3, renamed: 1, changed: 1, unchanged: 1, files: 6 });
  });

  test('copies what two files exchanged', () => {
    const difference = diffManifests(
      [file('a', 'one'), file('b', 'two')],
      [file('a', 'two'), file('b', 'one')],
    );
    expect(difference.copied.map((copy) => copy.from.path)).toEqual(['b', 'a']);
    expect(difference.changedBytes).toBe(0);
    expect(difference.diskNeededBytes).toBe(6);
    expect(difference.counts.changed).toBe(2);
  });

  test('takes no file for a copy of another empty one', () => {
    const { added, deleted, renamed } = diffManifests([file('a', '')], [file('b', '')]);
    expect([added.length, deleted.length, renamed.length]).toEqual([1, 1, 0]);
  });

  test('tells a change of mode or time from a change of content', () => {
    const base = [file('a', 'one'), file('b', 'one'), file('c', 'one')];
    const wanted = [
      file('a', 'one', { mode: 0o600 }),
      file('b', 'one', { mtimeMs: 2 }),
      file('c', 'two'),
    ];
    const { metadata, changed, changedBytes } = diffManifests(base, wanted);
    expect(metadata.map((change) => change.wanted.path)).toEqual(['a', 'b']);
    expect(changed.map((change) => change.wanted.path)).toEqual(['c']);
    expect(changedBytes).toBe(3);
  });

  test('lists directories in the order in which they can be made and removed', () => {
    const tree = [directory('a'), directory('a-b'), directory('a/c')];
    const paths = (entries: readonly TreeEntry[]) => entries.map((entry) => entry.path);
    expect(paths(diffManifests([], tree).directories.added)).toEqual(['a', 'a-b', 'a/c']);
    expect(paths(diffManifests(tree, []).directories.removed)).toEqual(['a/c', 'a-b', 'a']);
    const { modeChanged } = diffManifests(tree, [directory('a', 0o700)]).directories;
    expect(modeChanged).toEqual([directory('a', 0o700)]);
  });

  test('names what became something else', () => {
    const base = [directory('d'), file('d/a', 'one'), file('f', 'two'), link('l', 'f')];
    const wanted = [file('d', 'one'), directory('f'), file('l', 'new')];
    const { typeChanged, deleted, changedBytes, counts } = diffManifests(base, wanted);
    expect(typeChanged.map((change) => [change.wanted.path, change.from?.path])).toEqual([
      ['d', 'd/a'],
      ['f', undefined],
      ['l', undefined],
    ]);
    expect(deleted.map((entry) => entry.path)).toEqual(['d/a']);
    expect(changedBytes).toBe(3);
    expect(counts).toMatchObject({ deleted: 2, files: 2 });
  });
});
