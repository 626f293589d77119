import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncfs, syncMethod } from '#libs/native/syncfs.js';

/** Makes files of one file system, written and closed, survive a power cut. */
export type SyncFiles = (paths: readonly string[]) => Promise<void>;

const fewFiles = 16;

/**
 * One by one for a few files; for many, the whole file system at once where the host can do that.
 */
export const syncFiles: SyncFiles = async (paths) => {
  const [first] = paths;
  if (first === undefined) return;
  const flushesAll = syncMethod() !== 'fsync-walk';
  if (paths.length > fewFiles && flushesAll) await syncfs(dirname(first));
  else await Promise.all(paths.map(syncFile));
};

/** Writes one file, or the names in a directory, to the disk. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
