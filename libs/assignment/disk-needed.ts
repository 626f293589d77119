import type { FileEntry, Manifest } from '#libs/content-store/manifest.js';
import type { TreeDifference } from '#libs/delta/tree-difference.js';

/** What a file system allocates at a time. */
const allocationBytes = 4096;
/** Of one line of a version's manifest, beside its path. */
const manifestEntryBytes = 80;

/**
 * What a server must have free to prepare the version: the files that get an inode of their own,
 * in whole allocation units, the directories, which are all new, and the version's manifest. Files
 * that are the base's in content, mode and time take nothing: they are shared with it.
 */
export function diskNeeded(difference: TreeDifference, result: Manifest): number {
  const files = ownFiles(difference).reduce((sum, file) => sum + allocated(file.sizeBytes), 0);
  let directories = allocationBytes;
  let manifestBytes = 0;
  for (const entry of result) {
    if (entry.type === 'directory') directories += allocationBytes;
    manifestBytes += manifestEntryBytes + Buffer.byteLength(entry.path);
    if (entry.type === 'symlink') manifestBytes += Buffer.byteLength(entry.target);
  }
  return files + directories + allocated(manifestBytes);
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
