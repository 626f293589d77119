import { createHash } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#libs/clock/clock.js';
import { watchTree } from '#libs/delta/adapters/watch-tree.js';
import { defaultWatchTimings } from '#libs/delta/watch.js';
import type { WatchStaging } from '../app/staging-jobs.js';

const rescanMs = 60_000;

/** Watches directories of this host; where the system tells of no changes, looks now and then. */
export function watchStagingOf(clock: Clock): WatchStaging {
  return (path, quietMs, changed) => {
    const timings = { ...defaultWatchTimings, quietMs, rescanMs };
    const look = async () => {
      const seen = await fingerprintOf(path);
      if (seen !== undefined) await changed(seen);
    };
    void look().catch(() => undefined);
    return watchTree(path, look, clock, timings);
  };
}

/**
 * What a tree looks like from outside: names, sizes, times. Two replicas that see the same tree get
 * the same. Undefined: there is none, or it changes while it is looked at.
 */
export async function fingerprintOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    const names = (await readdir(path, { recursive: true })).sort();
    for (const name of names) {
      const { size, mtimeMs, ctimeMs, mode, ino } = await lstat(join(path, name));
      hash.update(JSON.stringify([name, size, mtimeMs, ctimeMs, mode, ino]));
    }
    return hash.digest('hex').slice(0, 16);
  } catch {
    return undefined;
  }
}
