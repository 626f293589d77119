import { comparePaths, type Manifest, type TreeEntry } from './manifest.js';

/** Lets manifests share their equal entries: a tree and its successor take the memory of one. */
export class SharedEntries {
  private next = 0;

  constructor(private readonly manifest: Manifest) {}

  /** The equal entry of the manifest if there is one; asked for in the order of manifests. */
  take(entry: TreeEntry): TreeEntry {
    const { manifest } = this;
    let other = manifest[this.next];
    while (other && comparePaths(other.path, entry.path) < 0) other = manifest[++this.next];
    return other && isEqual(other, entry) ? other : entry;
  }
}

function isEqual(a: TreeEntry, b: TreeEntry): boolean {
  if (a.path !== b.path) return false;
  if (a.type === 'symlink') return b.type === 'symlink' && a.target === b.target;
  if (a.type === 'directory') return b.type === 'directory' && a.mode === b.mode;
  return (
    b.type === 'file' &&
    a.digest === b.digest &&
    a.mode === b.mode &&
    a.sizeBytes === b.sizeBytes &&
    a.mtimeMs === b.mtimeMs
  );
}
