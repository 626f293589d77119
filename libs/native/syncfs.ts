import { execFile } from 'node:child_process';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { callOnThread, loadLibrary, type NativeFunction } from './ffi.js';

/** How a whole file system is flushed here. */
export type SyncMethod = 'syncfs' | 'sync-command' | 'fsync-walk';

const run = promisify(execFile);
let nativeSyncfs: NativeFunction | null | undefined;

export function syncMethod(): SyncMethod {
  if (native()) return 'syncfs';
  return process.platform === 'linux' ? 'sync-command' : 'fsync-walk';
}

/**
 * Makes everything below `path` durable: one flush of its file system where the host can, else file
 * by file. @throws when a flush fails; what was written must then be given up, not flushed again
 */
export async function syncfs(path: string): Promise<void> {
  const flush = native();
  if (flush) return flushWith(flush, path);
  if (syncMethod() === 'sync-command') {
    try {
      await run('sync', ['-f', path]);
      return;
    } catch (error) {
      // A flush that failed is final; a missing program is not.
      if (!isMissingProgram(error)) throw error;
    }
  }
  await fsyncTree(path);
}

async function flushWith(flush: NativeFunction, path: string): Promise<void> {
  const file = await open(path);
  try {
    if ((await callOnThread(flush, [file.fd])) !== 0) {
      throw new Error(`the file system of ${path} cannot be flushed to disk`);
    }
  } finally {
    await file.close();
  }
}

/** Flushes files before the directories that hold them; links have nothing of their own. */
export async function fsyncTree(path: string): Promise<void> {
  const file = await open(path);
  try {
    if ((await file.stat()).isDirectory()) {
      for (const entry of await readdir(path, { withFileTypes: true })) {
        if (entry.isDirectory() || entry.isFile()) await fsyncTree(join(path, entry.name));
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

function native(): NativeFunction | undefined {
  if (nativeSyncfs === undefined) nativeSyncfs = openSyncfs() ?? null;
  return nativeSyncfs ?? undefined;
}

function openSyncfs(): NativeFunction | undefined {
  try {
    return loadLibrary(null)?.func('int syncfs(int)');
  } catch {
    return undefined;
  }
}

function isMissingProgram(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
