import type { TimeWindow } from '#libs/contracts/index.js';
import { nextCronMs } from './cron.js';
import { InvalidSchedule } from './errors.js';

/** From when until when; `untilMs` does not belong to it. */
export interface Stretch {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Windows that overlap or meet are followed so often to where nothing is open any more. */
const mostJoined = 1_000;
/** How far ahead a common opening of several windows is looked for. */
const mostSteps = 10_000;

/** @throws InvalidSchedule for a window that is never open */
export function requireWindow(window: TimeWindow): void {
  const { cron, timeZone, durationMs, fromMs, untilMs } = window;
  if (cron === '') {
    if (untilMs > fromMs) return;
    throw new InvalidSchedule('a window has neither a cron expression nor a beginning and an end');
  }
  if (durationMs === 0n) throw new InvalidSchedule(`the window ${cron} has no duration`);
  if (nextCronMs(cron, timeZone, 0) === undefined) {
    throw new InvalidSchedule(`the window ${cron} never opens`);
  }
}

/** The stretch of a window that is open at a time, or the next one; undefined: never again. */
export function stretchAt(window: TimeWindow, atMs: number): Stretch | undefined {
  if (window.cron === '') {
    const stretch = { fromMs: Number(window.fromMs), untilMs: Number(window.untilMs) };
    return atMs < stretch.untilMs ? stretch : undefined;
  }
  const durationMs = Number(window.durationMs);
  const fromMs = nextCronMs(window.cron, window.timeZone, atMs - durationMs);
  return fromMs === undefined ? undefined : { fromMs, untilMs: fromMs + durationMs };
}

/** When a time is in one of the windows: when the last of those that follow on each other ends. */
export function endOfWindows(windows: readonly TimeWindow[], atMs: number): number | undefined {
  let endMs = atMs;
  for (let joined = 0; joined < mostJoined; joined++) {
    const open = windows
      .map((window) => stretchAt(window, endMs))
      .find((stretch) => stretch !== undefined && stretch.fromMs <= endMs);
    if (!open) break;
    endMs = open.untilMs;
  }
  return endMs > atMs ? endMs : undefined;
}

/**
 * The first stretch at or after a time in which each set of windows has one open; a set without
 * windows is always open. Undefined: there is none.
 */
export function commonOpening(
  sets: readonly (readonly TimeWindow[])[],
  atMs: number,
): Stretch | undefined {
  const limiting = sets.filter((windows) => windows.length > 0);
  let fromMs = atMs;
  for (let step = 0; step < mostSteps; step++) {
    const open = limiting.map((windows) => firstOpen(windows, fromMs));
    if (open.some((stretch) => stretch === undefined)) return undefined;
    const stretches = open as Stretch[];
    const latestMs = Math.max(fromMs, ...stretches.map((stretch) => stretch.fromMs));
    if (latestMs === fromMs) {
      const untilMs = Math.min(...stretches.map((stretch) => stretch.untilMs));
      return { fromMs, untilMs };
    }
    fromMs = latestMs;
  }
  return undefined;
}

/** Of several windows: the one that is open longest, or else opens first. */
function firstOpen(windows: readonly TimeWindow[], atMs: number): Stretch | undefined {
  const stretches = windows.flatMap((window) => stretchAt(window, atMs) ?? []);
  const open = stretches.filter(({ fromMs }) => fromMs <= atMs);
  if (open.length > 0) return open.reduce((a, b) => (b.untilMs > a.untilMs ? b : a));
  if (stretches.length === 0) return undefined;
  return stretches.reduce((a, b) => (b.fromMs < a.fromMs ? b : a));
}
