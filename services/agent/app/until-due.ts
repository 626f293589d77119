import { type Clock, sleep } from '#libs/clock/clock.js';
import type { ControlClock } from './control-clock.js';

/**
 * So long before a switch its preparation begins. Longer than any lead that is predicted, so that
 * servers tell how long the commit took.
 */
export const headStartMs = 60_000;
/** So long before a switch no build begins. */
export const nearMs = 1_000;
/** Below this, a timer is as exact as it gets. */
const exactMs = 1_000;

/** Resolves when the control plane's clock shows this time, as far as this host knows it. */
export async function untilTime(
  atMs: number,
  clock: Clock,
  controlClock: () => ControlClock,
): Promise<void> {
  for (;;) {
    const waitMs = atMs - (clock.nowMs() + controlClock().offsetMs);
    if (waitMs <= 0) return;
    // Half the way at a time: the clocks may be measured again meanwhile.
    await sleep(clock, waitMs > exactMs ? waitMs / 2 : waitMs);
  }
}
