import type { Random } from '#libs/clock/clock.js';

/** Held here: a test runner that keeps globals apart takes its time to look each of them up. */
const { imul } = Math;

/** The mulberry32 generator: the same seed gives the same numbers on every host. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
