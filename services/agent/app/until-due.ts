import { openContainer } from '#libs/assignment/reader.js';
import { type Clock, sleep } from '#libs/clock/clock.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
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

/**
 * Resolves shortly before the time that a switch may have, for the executor to get ready; at once
 * for every other assignment.
 */
export async function untilDue(
  containerPath: string,
  trust: TrustRoot,
  clock: Clock,
  controlClock: () => ControlClock,
): Promise<void> {
  const head = await openContainer(containerPath, trust).catch(() => undefined);
  const atMs = Number(head?.header.switchAtMs ?? 0n);
  await untilTime(atMs - headStartMs, clock, controlClock);
}

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
