import type { Clock, Random } from '../clock.js';

/** The host's clock and timers. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  schedule(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
};

/** For what lasts: it goes on as before when the host's clock is set, and so is only near it. */
export const steadyClock: Clock = {
  nowMs: () => performance.timeOrigin + performance.now(),
  schedule: systemClock.schedule,
};

export const systemRandom: Random = () => Math.random();
