import type { Pace } from './pace.js';

/** Loss over this is no chance. */
export const clearShare = 0.1;
export const cutFactor = 0.45;
export const slowStartFactor = 2;
export const raiseEveryMs = 50;
/** Of what the link carries: who uses less and still meets a full link is not alone on it. */
export const aloneShare = 0.97;
/** Of the link, while it is shared, and for how long at least. */
export const fairShare = 0.4;
export const sharedForMs = 10_000;
/** Of a link that TCP cannot claim its part of. */
export const unclaimedShare = 0.45;
/** A rate that less than this leaves of is too much for this host already. */
export const keptShare = 0.7;
const minRateBytesPerS = 100_000;
/** No number of cuts goes below this share of what the link carries. */
const leastShare = 0.05;

export function atLeast({ capacityBytesPerS }: Pace, rateBytesPerS: number): number {
  return Math.max(minRateBytesPerS, capacityBytesPerS * leastShare, rateBytesPerS);
}
