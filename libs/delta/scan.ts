import type { Manifest } from '#libs/content-store/manifest.js';
import type { FilterRule } from './filter.js';

export interface ScanOptions {
  readonly rules: readonly FilterRule[];
  /** Where in the site the tree is, e.g. `video/2026`, for rules on paths of the site. */
  readonly place?: string;
  /** What an earlier scan of the same directory learned: saves reading what has not changed. */
  readonly previous?: ScanCache;
  /** How many large files are read at the same time; 4 unless told. */
  readonly concurrency?: number;
}

export interface ScanResult {
  /** The directory that was scanned, absolute and without symbolic links. */
  readonly root: string;
  readonly manifest: Manifest;
  /** To be handed to the next scan. */
  readonly cache: ScanCache;
  /** How much had to be read; the rest was known from the previous scan. */
  readonly filesRead: number;
  readonly bytesRead: number;
}

/** What a scan learned: the next one does not read what has not changed since. */
export interface ScanCache {
  readonly manifest: Manifest;
  /** Device, inode, mtimeMs and ctimeMs of each entry; NaN for what is to be read in any case. */
  readonly identities: Float64Array;
}

/** What tells that a file was not written to. Times have the resolution of the file system. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return (
    a.device === b.device &&
    a.inode === b.inode &&
    a.sizeBytes === b.sizeBytes &&
    a.mtimeMs === b.mtimeMs &&
    a.ctimeMs === b.ctimeMs
  );
}

/**
 * The coarsest resolution of file times in use (FAT, some network file systems). A file that
 * changed this shortly before it was read can change again without any trace in its metadata.
 */
const coarsestTimestampMs = 2000;

/** Whether metadata seen at `readAtMs` will differ after any later change of the file. */
export function isSettled(file: FileIdentity, readAtMs: number): boolean {
  return Math.max(file.ctimeMs, file.mtimeMs) < readAtMs - coarsestTimestampMs;
}
