import type { FileEntry, Manifest } from '#libs/content-store/manifest.js';
import type { TreeDifference } from '#libs/delta/tree-difference.js';

/** What a file system allocates at a time. */
const allocationBytes = 4096;
/** Of one line of a version's manifest, beside its path. */
const manifestEntryBytes = 80;
/** Of a directory beside the names in it, and of each name: as in ext4. */
const directoryHeadBytes = 24;
const nameHeadBytes = 8;
const nameUnitBytes = 4;
/** Longer targets of links do not fit into the inode. */
const inodeTargetBytes = 59;

/**
 * What a server must have free to prepare the version: the files that get an inode of their own,
 * in whole allocation units, the directories and links, which are all new, and the version's
 * manifest. Files that are the base's in content, mode and time take nothing: they are shared.
 */
export function diskNeeded(difference: TreeDifference, result: Manifest): number {
  const files = ownFiles(difference).reduce((sum, file) => sum + allocated(file.sizeBytes), 0);
  const directories = new Map<string, number>([['', directoryHeadBytes]]);
  let links = 0;
  let manifestBytes = 0;
  for (const entry of result) {
    const { path } = entry;
    const nameAt = path.lastIndexOf('/') + 1;
    const parent = path.slice(0, Math.max(0, nameAt - 1));
    const names = directories.get(parent) ?? directoryHeadBytes;
    directories.set(parent, names + nameBytes(path.slice(nameAt)));
    if (entry.type === 'directory') directories.set(path, directoryHeadBytes);
    manifestBytes += manifestEntryBytes + Buffer.byteLength(path);
    if (entry.type !== 'symlink') continue;
    const targetBytes = Buffer.byteLength(entry.target);
    manifestBytes += targetBytes;
    if (targetBytes > inodeTargetBytes) links += allocated(targetBytes);
  }
  let needed = files + links + allocated(manifestBytes);
  for (const names of directories.values()) needed += directoryBytes(names);
  return needed;
}

function nameBytes(name: string): number {
  return nameHeadBytes + Math.ceil(Buffer.byteLength(name) / nameUnitBytes) * nameUnitBytes;
}

/** A directory of several blocks has an index, and blocks that are half full at worst. */
function directoryBytes(names: number): number {
  if (names <= allocationBytes) return allocationBytes;
  return 2 * allocated(names) + allocationBytes;
}

function ownFiles(difference: TreeDifference): FileEntry[] {
  const { added, changed, metadata, renamed, copied, typeChanged } = difference;
  const own = [...added, ...[...changed, ...metadata].map(({ wanted }) => wanted)];
  for (const { from, wanted } of [...renamed, ...copied]) {
    if (!isShared(from, wanted)) own.push(wanted);
  }
  for (const { from, wanted } of typeChanged) {
    if (wanted.type === 'file' && !(from && isShared(from, wanted))) own.push(wanted);
  }
  return own;
}

function isShared(from: FileEntry, wanted: FileEntry): boolean {
  return from.mode === wanted.mode && from.mtimeMs === wanted.mtimeMs;
}

function allocated(sizeBytes: number): number {
  return Math.ceil(sizeBytes / allocationBytes) * allocationBytes;
}
