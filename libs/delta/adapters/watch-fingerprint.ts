import { createHash } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#libs/clock/clock.js';
import { defaultWatchTimings } from '../watch.js';
import { watchTree } from './watch-tree.js';

const rescanMs = 60_000;

/**
 * Tells what a tree of this host looks like: at once, when it has changed and been quiet for
 * `quietMs`, and now and then in any case. @returns ends the watch
 */
export function watchFingerprint(
  path: string,
  quietMs: number,
  seen: (fingerprint: string) => void | Promise<void>,
  clock: Clock,
): () => void {
  const look = async () => {
    const fingerprint = await fingerprintOf(path);
    if (fingerprint !== undefined) await seen(fingerprint);
  };
  void look().catch(() => undefined);
  return watchTree(path, look, clock, { ...defaultWatchTimings, quietMs, rescanMs });
}

/**
 * What a tree looks like from outside: names, sizes, times. Two that look at the same tree get the
 * same. Undefined: there is none, or it changes while it is looked at.
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
