import { Lanes } from '#libs/content-store/adapters/lanes.js';
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
import { areWorthThreads, digestOnThreads } from './digest-threads.js';
import { type DigestedFile, readDigest, smallBytes } from './read-digest.js';
import { type FoundFile, resolveRoot, walk } from './walk.js';

const sliceMs = 20;
const defaultConcurrency = 4;

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
    entries.push(entryOf(file, digest));
    if (isSettled(file.identity, startedAtMs)) cache.set(file.path, { ...file.identity, digest });
  };
  const taken = (digested: DigestedFile | undefined) => {
    if (!digested) return;
    filesRead++;
    bytesRead += digested.file.identity.sizeBytes;
    keep(digested);
  };

  const unknown: FoundFile[] = [];
  for (const entry of await walk(root, options, pause)) {
    const turn = pause();
    if (turn) await turn;
    if (entry.type !== 'file') {
      entries.push(entry);
      continue;
    }
    const known = options.previous?.get(entry.path);
    if (known && isSameFile(known, entry.identity)) {
      // It was settled when it was read.
      entries.push(entryOf(entry, known.digest));
      cache.set(entry.path, known);
    } else unknown.push(entry);
  }
  if (areWorthThreads(unknown)) await digestOnThreads(root, unknown, pause, taken);
  else await digestHere(root, unknown, { taken, pause, concurrency: options.concurrency });
  sortByPath(entries);
  requireUsableNames(root, entries);
  return { root, manifest: entries, cache, filesRead, bytesRead };
}

interface Reading {
  taken(file: DigestedFile | undefined): void;
  pause(): Promise<void> | undefined;
  readonly concurrency: number | undefined;
}

/** Small files one after the other, large ones a few at a time. */
async function digestHere(
  root: string,
  files: readonly FoundFile[],
  { taken, pause, concurrency = defaultConcurrency }: Reading,
): Promise<void> {
  const large: FoundFile[] = [];
  for (const file of files) {
    const turn = pause();
    if (turn) await turn;
    if (file.identity.sizeBytes > smallBytes) large.push(file);
    else taken(await readDigest(root, file));
  }
  const lanes = new Lanes(concurrency);
  const read = async (file: FoundFile) => taken(await readDigest(root, file));
  await Promise.all(large.map((file) => lanes.run(() => read(file))));
}

function entryOf(file: FoundFile, digest: string): FileEntry {
  const { sizeBytes, mtimeMs } = file.identity;
  const { path, mode } = file;
  return { type: 'file', path, mode, sizeBytes, mtimeMs: Math.floor(mtimeMs), digest };
}
