/** What is known of a watched tree between two looks at it. */
export interface WatchState {
  /** When the first change that was not reported yet was seen. */
  readonly firstChangeMs?: number;
  readonly lastChangeMs?: number;
  readonly lastRescanMs: number;
}

export interface WatchTimings {
  /** A change is reported when nothing has changed for this long. */
  readonly quietMs: number;
  /** And at the latest this long after it, however much goes on changing. */
  readonly mostMs: number;
  /** File systems lose notices: so often the whole tree is looked at, whatever was noticed. */
  readonly rescanMs: number;
}

export const defaultWatchTimings: WatchTimings = {
  quietMs: 500,
  mostMs: 10_000,
  rescanMs: 600_000,
};

/** Why the tree should be scanned now. */
export type WatchReason = 'changed' | 'rescan';

export function changeSeen(state: WatchState, nowMs: number): WatchState {
  const { firstChangeMs = nowMs, lastRescanMs } = state;
  return { firstChangeMs, lastChangeMs: nowMs, lastRescanMs };
}

/** What is due now; reporting it makes the tree count as seen. */
export function dueOf(
  state: WatchState,
  timings: WatchTimings,
  nowMs: number,
): [WatchState, WatchReason | undefined] {
  if (nextDueMs(state, timings) > nowMs) return [state, undefined];
  const isChanged = state.firstChangeMs !== undefined;
  return [{ lastRescanMs: nowMs }, isChanged ? 'changed' : 'rescan'];
}

/** When to ask again. */
export function nextDueMs(state: WatchState, { quietMs, mostMs, rescanMs }: WatchTimings): number {
  const { firstChangeMs, lastChangeMs, lastRescanMs } = state;
  if (firstChangeMs === undefined || lastChangeMs === undefined) return lastRescanMs + rescanMs;
  return Math.min(lastChangeMs + quietMs, firstChangeMs + mostMs);
}

/** Notices of changes below a directory. */
export interface TreeWatcher {
  /**
   * @param onChange called for changes, perhaps late, perhaps several times, perhaps not at all
   * @returns ends the watch
   */
  watch(path: string, onChange: () => void): () => void;
}
