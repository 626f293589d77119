/** Stops what `Clock.schedule` started; harmless when it has already run. */
export type Cancel = () => void;

/** The only source of time: real in `adapters/`, virtual in the testkit. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Runs `action` once, `delayMs` from now. */
  schedule(delayMs: number, action: () => void): Cancel;
}

const origins = new WeakMap<Clock, number>();

/**
 * Runs `action` once, about `everyMs` from now, together with all who wait as long or a multiple of
 * it on the same clock: a process that wakes once for ten looks costs a fraction of one that wakes
 * ten times. The common time begins when the first asks, so hosts do not wake in step.
 * @returns ends the wait
 */
export function scheduleTogether(clock: Clock, everyMs: number, action: () => void): Cancel {
  const nowMs = clock.nowMs();
  const originMs = origins.get(clock) ?? nowMs;
  origins.set(clock, originMs);
  const waits = Math.floor((nowMs - originMs) / everyMs + 1 + toleratedShare);
  return clock.schedule(originMs + waits * everyMs - nowMs, action);
}

/** Timers of some hosts end early by a little. */
const toleratedShare = 0.1;

/** Uniform numbers in [0, 1). */
export type Random = () => number;

/** Resolves after `delayMs` of the clock's time. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}
