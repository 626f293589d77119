import { timeSlice } from '#libs/content-store/adapters/time-slice.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { requireUsableNames } from '../names.js';
import { isSettled, type ScanOptions, type ScanResult } from '../scan.js';
import { KnownFiles, ScanRecord } from '../scan-cache.js';
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
  const record = new ScanRecord();
  const known = options.previous && new KnownFiles(options.previous);
  let filesRead = 0;
  let bytesRead = 0;

  const keep = ({ file, digest }: DigestedFile) => {
    filesRead++;
    bytesRead += file.identity.sizeBytes;
    const isReliable = isSettled(file.identity, startedAtMs);
    record.add(entryOf(file, digest), isReliable ? file.identity : undefined);
  };
  const digests = new FileDigests({ root, pause, keep, concurrency: options.concurrency });
  try {
    await walk(root, options, pause, (entry) => {
      if (entry.type !== 'file') return record.add(entry);
      const same = known?.find(entry.path, entry.identity);
      // It was settled when it was read.
      if (same) record.add(withMode(same, entry.mode), entry.identity);
      else digests.add(entry);
    });
    await digests.finish();
  } finally {
    await digests.close();
  }
  const cache = record.sorted();
  requireUsableNames(root, cache.manifest);
  return { root, manifest: cache.manifest, cache, filesRead, bytesRead };
}

/** Manifests share what is the same in both: a large tree takes its memory once. */
function withMode(entry: FileEntry, mode: number): FileEntry {
  return entry.mode === mode ? entry : { ...entry, mode };
}

function entryOf(file: FoundFile, digest: string): FileEntry {
  const { sizeBytes, mtimeMs } = file.identity;
  const { path, mode } = file;
  return { type: 'file', path, mode, sizeBytes, mtimeMs: Math.floor(mtimeMs), digest };
}
