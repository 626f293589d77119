import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Shelf, ShelfEntry } from '../pins.js';
import { syncFile } from './durability.js';

const partSuffix = '.part';

/** Small objects as files: `<directory>/<key>`. */
export function directoryShelf(directory: string): Shelf {
  const pathOf = (key: string) => join(directory, key);
  return {
    async put(key, bytes) {
      const path = pathOf(key);
      const part = `${path}.${randomUUID()}${partSuffix}`;
      await mkdir(dirname(path), { recursive: true });
      try {
        await writeDurably(part, bytes);
        await rename(part, path);
      } finally {
        await rm(part, { force: true });
      }
      await syncFile(dirname(path));
    },
    get: (key) => unlessMissing(readFile(pathOf(key))),
    remove: (key) => rm(pathOf(key), { force: true }),
    async list(prefix) {
      const names = (await unlessMissing(readdir(pathOf(prefix)))) ?? [];
      const found = names
        .filter((name) => !name.endsWith(partSuffix))
        .map(async (name): Promise<ShelfEntry | undefined> => {
          const key = `${prefix}/${name}`;
          const stats = await unlessMissing(stat(pathOf(key)));
          return stats && { key, modifiedMs: stats.mtimeMs };
        });
      return (await Promise.all(found)).filter((entry) => entry !== undefined);
    },
  };
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
