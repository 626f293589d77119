import { openContainer } from '#libs/assignment/reader.js';
import { type Clock, sleep } from '#libs/clock/clock.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import type { ControlClock } from './executor.js';

/** Below this, a timer is as exact as it gets. */
const exactMs = 1_000;

/** Resolves when the time has come that a switch may have; at once for every other assignment. */
export async function untilDue(
  containerPath: string,
  trust: TrustRoot,
  clock: Clock,
  controlClock: () => ControlClock,
): Promise<void> {
  const head = await openContainer(containerPath, trust).catch(() => undefined);
  const atMs = Number(head?.header.switchAtMs ?? 0n);
  for (;;) {
    const waitMs = atMs - (clock.nowMs() + controlClock().offsetMs);
    if (waitMs <= 0) return;
    // Half the way at a time: the clocks may be measured again meanwhile.
    await sleep(clock, waitMs > exactMs ? waitMs / 2 : waitMs);
  }
}
