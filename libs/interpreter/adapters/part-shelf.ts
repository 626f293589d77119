import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SiteLayout } from '../site-layout.js';

const mustCopy = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** The parts of one job that have arrived on this server: `parts/<version>/<part>`. */
export class PartShelf {
  private readonly directory: string;
  private readonly shelves: string;

  constructor(
    layout: SiteLayout,
    private readonly version: bigint,
  ) {
    this.shelves = join(layout.directory, 'parts');
    this.directory = join(this.shelves, String(version));
  }

  /** Keeps a container, whatever becomes of the file at `path`. A repetition is harmless. */
  async put(part: number, path: string): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    const target = join(this.directory, String(part));
    const staged = `${target}.part`;
    await rm(staged, { force: true });
    try {
      await link(path, staged);
    } catch (error) {
      if (!mustCopy.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
      await copyFile(path, staged, constants.COPYFILE_FICLONE);
    }
    await flush(staged);
    await rename(staged, target);
    for (const directory of [this.directory, this.shelves, dirname(this.shelves)]) {
      await flush(directory);
    }
  }

  /** Paths by part. */
  async parts(): Promise<ReadonlyMap<number, string>> {
    const found = new Map<number, string>();
    for (const name of await namesIn(this.directory)) {
      if (/^[1-9]\d*$/.test(name)) found.set(Number(name), join(this.directory, name));
    }
    return found;
  }

  /** Forgets this job and all before it. */
  async clear(): Promise<void> {
    await this.removeUpTo(this.version);
  }

  /** Forgets jobs that this one is newer than. */
  async clearOlder(): Promise<void> {
    await this.removeUpTo(this.version - 1n);
  }

  private async removeUpTo(version: bigint): Promise<void> {
    for (const name of await namesIn(this.shelves)) {
      if (!/^\d+$/.test(name) || BigInt(name) > version) continue;
      await rm(join(this.shelves, name), { recursive: true, force: true });
    }
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
