import {
  comparePaths,
  type FileEntry,
  pathOrder,
  type TreeEntry,
} from '#libs/content-store/manifest.js';
import type { FileIdentity, ScanCache } from './scan.js';

/** Device, inode, mtimeMs and ctimeMs; the size is in the manifest. */
export const identityFields = 4;

/** Files of an earlier scan by path: found at once when asked for in about the same order. */
export class KnownFiles {
  private next = 0;

  constructor(private readonly cache: ScanCache) {}

  /** The entry of a file that is still the same, whatever its mode; undefined for all others. */
  find(path: string, file: FileIdentity): FileEntry | undefined {
    const { manifest, identities } = this.cache;
    const index = manifest[this.next]?.path === path ? this.next : this.search(path);
    const entry = manifest[index];
    if (entry?.path !== path) return undefined;
    this.next = index + 1;
    const at = index * identityFields;
    const isSame =
      entry.type === 'file' &&
      entry.sizeBytes === file.sizeBytes &&
      identities[at] === file.device &&
      identities[at + 1] === file.inode &&
      identities[at + 2] === file.mtimeMs &&
      identities[at + 3] === file.ctimeMs;
    return isSame ? entry : undefined;
  }

  /** Where the path is, or would be. */
  private search(path: string): number {
    const { manifest } = this.cache;
    let [low, high] = [0, manifest.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comparePaths((manifest[middle] as TreeEntry).path, path) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const firstEntries = 1024;

/** What a scan learns, in any order. */
export class ScanRecord {
  private readonly entries: TreeEntry[] = [];
  private identities = new Float64Array(firstEntries * identityFields);

  /** @param file what a later scan may rely on */
  add(entry: TreeEntry, file?: FileIdentity): void {
    const at = this.entries.push(entry) * identityFields - identityFields;
    if (at === this.identities.length) {
      const larger = new Float64Array(2 * at);
      larger.set(this.identities);
      this.identities = larger;
    }
    this.identities[at] = file?.device ?? Number.NaN;
    this.identities[at + 1] = file?.inode ?? Number.NaN;
    this.identities[at + 2] = file?.mtimeMs ?? Number.NaN;
    this.identities[at + 3] = file?.ctimeMs ?? Number.NaN;
  }

  /** All of it in the order of manifests. */
  sorted(): ScanCache {
    const order = pathOrder(this.entries);
    const identities = new Float64Array(order.length * identityFields);
    for (const [to, from] of order.entries()) {
      for (let field = 0; field < identityFields; field++) {
        const number = this.identities[from * identityFields + field] as number;
        identities[to * identityFields + field] = number;
      }
    }
    return { manifest: order.map((index) => this.entries[index] as TreeEntry), identities };
  }
}
