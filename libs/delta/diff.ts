import {
  comparePaths,
  type DirectoryEntry,
  type FileEntry,
  type Manifest,
  type SymlinkEntry,
  type TreeEntry,
} from '#libs/content-store/manifest.js';
import { type CopySources, copySources } from './copy-sources.js';
import type {
  DifferenceCounts,
  DirectoryDifference,
  FileChange,
  FileCopy,
  SymlinkDifference,
  TreeDifference,
  TypeChange,
} from './tree-difference.js';

/** What makes `base` into `wanted`; both in the order of manifests. */
export function diffManifests(base: Manifest, wanted: Manifest): TreeDifference {
  const comparison = compare(base, wanted);
  const sources = copySources(base, comparison.gone.filter(isFile), newContent(comparison));
  const { added, changed, renamed, copied } = fileDifference(comparison, sources);
  const typeChanged = comparison.typeChanged.map((change) => withSource(change, sources));
  const removed = new Set(renamed.map((rename) => rename.from));
  const deleted = comparison.gone.filter(isFile).filter((file) => !removed.has(file));
  const parts = { added, changed, renamed, copied, deleted, typeChanged };
  const metadata = comparison.metadata;
  return {
    ...parts,
    metadata,
    directories: directoryDifference(comparison),
    symlinks: symlinkDifference(comparison),
    counts: count({ ...parts, metadata }, comparison, wanted),
    changedBytes: sumBytes([
      ...added,
      ...changed.map((change) => change.wanted),
      ...typeChanged.filter((change) => !change.from).map((change) => change.wanted),
    ]),
    diskNeededBytes: sumBytes([
      ...comparison.added,
      ...[...comparison.changed, ...typeChanged, ...metadata].map((change) => change.wanted),
    ]),
  };
}

/** The two trees path by path, before anything is known of copies. */
interface Comparison {
  readonly added: TreeEntry[];
  readonly gone: TreeEntry[];
  readonly changed: FileChange[];
  readonly metadata: FileChange[];
  readonly typeChanged: TypeChange[];
  readonly modeChanged: DirectoryEntry[];
  readonly relinked: SymlinkEntry[];
}

function compare(base: Manifest, wanted: Manifest): Comparison {
  const result: Comparison = {
    added: [],
    gone: [],
    changed: [],
    metadata: [],
    typeChanged: [],
    modeChanged: [],
    relinked: [],
  };
  let next = 0;
  let old = base[next];
  for (const entry of wanted) {
    for (; old && comparePaths(old.path, entry.path) < 0; old = base[++next]) result.gone.push(old);
    if (old?.path === entry.path) {
      // Manifests share what did not change.
      if (old !== entry) compareEntries(old, entry, result);
      old = base[++next];
    } else result.added.push(entry);
  }
  for (; old; old = base[++next]) result.gone.push(old);
  return result;
}

/** The files whose content is not that of the base at the same path. */
function newContent({ added, changed, typeChanged }: Comparison): FileEntry[] {
  return [...added, ...[...changed, ...typeChanged].map((change) => change.wanted)].filter(isFile);
}

function compareEntries(base: TreeEntry, wanted: TreeEntry, result: Comparison): void {
  if (isFile(base) && isFile(wanted)) {
    if (base.digest !== wanted.digest) result.changed.push({ base, wanted });
    else if (base.mode !== wanted.mode || base.mtimeMs !== wanted.mtimeMs) {
      result.metadata.push({ base, wanted });
    }
  } else if (isDirectory(base) && isDirectory(wanted)) {
    if (base.mode !== wanted.mode) result.modeChanged.push(wanted);
  } else if (isSymlink(base) && isSymlink(wanted)) {
    if (base.target !== wanted.target) result.relinked.push(wanted);
  } else {
    result.typeChanged.push({ base, wanted });
  }
}

function fileDifference(comparison: Comparison, sources: CopySources) {
  const newFiles = comparison.added.filter(isFile);
  const renames = sources.renamesOf(newFiles);
  const added: FileEntry[] = [];
  const changed: FileChange[] = [];
  const renamed: FileCopy[] = [];
  const copied: FileCopy[] = [];
  for (const wanted of newFiles) {
    const old = renames.get(wanted);
    const from = old ?? sources.copyOf(wanted);
    if (old) renamed.push({ from: old, wanted });
    else if (from) copied.push({ from, wanted });
    else added.push(wanted);
  }
  for (const change of comparison.changed) {
    const from = sources.copyOf(change.wanted);
    if (from) copied.push({ from, wanted: change.wanted });
    else changed.push(change);
  }
  copied.sort((a, b) => comparePaths(a.wanted.path, b.wanted.path));
  return { added, changed, renamed, copied };
}

function withSource(change: TypeChange, sources: CopySources): TypeChange {
  const from = isFile(change.wanted) ? sources.copyOf(change.wanted) : undefined;
  return from ? { ...change, from } : change;
}

function directoryDifference(comparison: Comparison): DirectoryDifference {
  return {
    added: comparison.added.filter(isDirectory),
    removed: comparison.gone.filter(isDirectory).reverse(),
    modeChanged: comparison.modeChanged,
  };
}

function symlinkDifference(comparison: Comparison): SymlinkDifference {
  return {
    added: comparison.added.filter(isSymlink),
    changed: comparison.relinked,
    removed: comparison.gone.filter(isSymlink),
  };
}

type FileLists = Pick<TreeDifference, 'renamed' | 'deleted' | 'metadata' | 'typeChanged'>;

function count(lists: FileLists, comparison: Comparison, wanted: Manifest): DifferenceCounts {
  const wasDirectory = lists.typeChanged.filter((change) => isDirectory(change.base)).length;
  const isNowDirectory = lists.typeChanged.filter((change) => isDirectory(change.wanted)).length;
  const files = wanted.filter(isCounted).length;
  const added = comparison.added.filter(isCounted).length - lists.renamed.length + wasDirectory;
  const changed =
    comparison.changed.length +
    comparison.relinked.length +
    lists.typeChanged.length -
    wasDirectory -
    isNowDirectory;
  const deleted = lists.deleted.length + comparison.gone.filter(isSymlink).length + isNowDirectory;
  const renamed = lists.renamed.length;
  const metadata = lists.metadata.length;
  const unchanged = files - added - changed - renamed - metadata;
  return { added, changed, deleted, renamed, metadata, unchanged, files };
}

function sumBytes(entries: readonly TreeEntry[]): number {
  return entries.reduce((sum, entry) => sum + (isFile(entry) ? entry.sizeBytes : 0), 0);
}

const isFile = (entry: TreeEntry) => entry.type === 'file';
const isDirectory = (entry: TreeEntry) => entry.type === 'directory';
const isSymlink = (entry: TreeEntry) => entry.type === 'symlink';
const isCounted = (entry: TreeEntry) => entry.type !== 'directory';
