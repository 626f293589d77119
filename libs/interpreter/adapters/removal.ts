import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A handle to a directory that can be had whatever its mode; Linux, from open(2). */
const O_PATH = 0o10000000;
const handleFlags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Removes a tree whatever the modes of its directories. Follows no link, also not one that takes a
 * directory's place meanwhile: each directory is held by a handle. Nothing there is fine.
 */
export async function removeTree(path: string): Promise<void> {
  if (!existsSync('/proc/self/fd')) return rm(path, { recursive: true, force: true });
  removeEntry(path);
}

function removeEntry(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats) return;
  if (stats.isDirectory()) {
    empty(path);
    gone(() => rmdirSync(path));
  } else gone(() => unlinkSync(path));
}

function empty(path: string): void {
  const handle = openSync(path, handleFlags);
  try {
    const held = `/proc/self/fd/${handle}`;
    chmodSync(held, 0o700);
    for (const name of readdirSync(held)) removeEntry(join(held, name));
  } finally {
    closeSync(handle);
  }
}

/** Somebody else may have removed it: that is what was wanted. */
function gone(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
