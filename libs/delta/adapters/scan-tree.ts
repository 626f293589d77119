import { timeSlice } from '#libs/content-store/adapters/time-slice.js';
import { type FileEntry, sortByPath, type TreeEntry } from '#libs/content-store/manifest.js';
import { requireUsableNames } from '../names.js';
import {
  type CachedFile,
  isSameFile,
  isSettled,
  type ScanOptions,
  type ScanResult,
} from '../scan.js';
import { FileDigests } from './file-digests.js';
import type { DigestedFile } from './read-digest.js';
import { type FoundFile, resolveRoot, walk } from './walk.js';

const sliceMs = 20;

/**
 * Describes the tree at `path`; a symbolic link there is followed, none within is.
 * @throws StagingNotFound, StagingNotADirectory, UnreadableFile, FileChangedWhileRead, NameNotUtf8,
 *   UnusableNames, PathTooLong, UnsupportedFileType; all of them name the path
 */
export async function scanTree(path: string, options: ScanOptions): Promise<ScanResult> {
  const startedAtMs = Date.now();
  const root = resolveRoot(path);
  const pause = timeSlice(sliceMs);
  const entries: TreeEntry[] = [];
  const cache = new Map<string, CachedFile>();
  let filesRead = 0;
  let bytesRead = 0;

  const keep = ({ file, digest }: DigestedFile) => {
    filesRead++;
    bytesRead += file.identity.sizeBytes;
    entries.push(entryOf(file, digest));
    if (!isSettled(file.identity, startedAtMs)) return;
    const { device, inode, sizeBytes, mtimeMs, ctimeMs } = file.identity;
    cache.set(file.path, { device, inode, sizeBytes, mtimeMs, ctimeMs, digest });
  };
  const digests = new FileDigests({ root, pause, keep, concurrency: options.concurrency });
  try {
    await walk(root, options, pause, (entry) => {
      const known = entry.type === 'file' ? options.previous?.get(entry.path) : undefined;
      if (entry.type !== 'file') entries.push(entry);
      else if (known && isSameFile(known, entry.identity)) {
        // It was settled when it was read.
        entries.push(entryOf(entry, known.digest));
        cache.set(entry.path, known);
      } else digests.add(entry);
    });
    await digests.finish();
  } finally {
    await digests.close();
  }
  sortByPath(entries);
  requireUsableNames(root, entries);
  return { root, manifest: entries, cache, filesRead, bytesRead };
}

function entryOf(file: FoundFile, digest: string): FileEntry {
  const { sizeBytes, mtimeMs } = file.identity;
  const { path, mode } = file;
  return { type: 'file', path, mode, sizeBytes, mtimeMs: Math.floor(mtimeMs), digest };
}
