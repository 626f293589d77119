import { type FSWatcher, watch } from 'node:fs';
import type { Clock } from '#libs/clock/clock.js';
import {
  changeSeen,
  defaultWatchTimings,
  dueOf,
  nextDueMs,
  type TreeWatcher,
  type WatchReason,
  type WatchState,
  type WatchTimings,
} from '../watch.js';
import { parcelWatcher } from './parcel-watcher.js';

/** Node's own notices; where the system gives none (network file systems), rescans are all. */
export const systemWatcher: TreeWatcher = {
  watch(path, onChange) {
    let watcher: FSWatcher | undefined;
    try {
      watcher = watch(path, { recursive: true, persistent: false }, onChange);
      // A directory that goes while it is watched is no failure: the rescan sees what is left.
      watcher.on('error', onChange);
    } catch {
      watcher = undefined;
    }
    return () => watcher?.close();
  },
};

/** Native notices, Node's own where those do not run. */
export const bestWatcher: TreeWatcher = parcelWatcher(systemWatcher);

/**
 * Calls `look` when the tree has changed and come to rest, and now and then in any case. Calls do
 * not overlap; changes meanwhile lead to another. A call that fails is over like any other.
 * @returns ends the watch
 */
export function watchTree(
  path: string,
  look: (reason: WatchReason) => Promise<void>,
  clock: Clock,
  timings: WatchTimings = defaultWatchTimings,
  watcher: TreeWatcher = bestWatcher,
): () => void {
  let state: WatchState = { lastRescanMs: clock.nowMs() };
  let cancel: (() => void) | undefined;
  let isLooking = false;
  let isClosed = false;
  const plan = () => {
    cancel?.();
    if (isClosed || isLooking) return;
    cancel = clock.schedule(Math.max(0, nextDueMs(state, timings) - clock.nowMs()), tick);
  };
  const tick = () => {
    const [next, reason] = dueOf(state, timings, clock.nowMs());
    state = next;
    if (!reason) {
      plan();
      return;
    }
    isLooking = true;
    const goOn = () => {
      isLooking = false;
      plan();
    };
    look(reason).then(goOn, goOn);
  };
  const unwatch = watcher.watch(path, () => {
    state = changeSeen(state, clock.nowMs());
    plan();
  });
  plan();
  return () => {
    isClosed = true;
    cancel?.();
    unwatch();
  };
}
