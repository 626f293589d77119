/** Stops what `Clock.schedule` started; harmless when it has already run. */
export type Cancel = () => void;

/** The only source of time: real in `adapters/`, virtual in the testkit. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Runs `action` once, `delayMs` from now. */
  schedule(delayMs: number, action: () => void): Cancel;
}

/** Uniform numbers in [0, 1). */
export type Random = () => number;

/** Resolves after `delayMs` of the clock's time. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}
