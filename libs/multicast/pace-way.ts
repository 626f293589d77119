/*
 * What the way to the limiting receiver and back changes about the pace. Over one that was found to
 * be longer than a LAN's before the first frame left, it is TCP's own AIMD: slow start from TCP's
 * first window, a segment more each round trip, half after each loss, and half of the link left to
 * others unasked. In a LAN it changes nothing: hosts that are busy answer later than any queue.
 */

import { type Pace, used, withNothingCounted } from './pace.js';
import {
  atLeast,
  clearShare,
  cutFactor,
  raiseEveryMs,
  slowStartFactor,
  unclaimedShare,
} from './pace-limits.js';
import type { RoundTrip } from './round-trips.js';

/** Longer than busy hosts of a LAN take, again and again, to answer. */
const longWayMs = 25;
/** Of Ethernet's TCP, and what it begins with (RFC 6928). */
const segmentBytes = 1_448;
const firstWindowBytes = 10 * segmentBytes;

/** What the limiting receiver's reports say. */
export function withRoundTrip(pace: Pace, roundTrip: RoundTrip): Pace {
  return { ...pace, roundTrip };
}

/** How much longer reports are under way than in a LAN. */
export function waitMs(pace: Pace): number {
  return isLong(pace) ? pace.roundTrip.longestMs : 0;
}

/** Whether the way is long by what is known so far. */
export function seemsLong({ roundTrip }: Pace): boolean {
  return roundTrip.wayMs > longWayMs;
}

/** When the first frame is to leave: over a long way as slowly as TCP begins. */
export function begun(pace: Pace): Pace {
  if (!seemsLong(pace) || !pace.roundTrip.isSure) return pace;
  const firstBytesPerS = (1_000 * firstWindowBytes) / pace.roundTrip.wayMs;
  return { ...pace, isFar: true, rateBytesPerS: atLeast(pace, firstBytesPerS) };
}

/** What TCP grows by in the same time: a segment each round trip. */
export function tcpStep(pace: Pace): number {
  const roundTripS = pace.roundTrip.standingMs / 1_000;
  return isLong(pace) ? (segmentBytes * raiseEveryMs) / 1_000 / roundTripS ** 2 : Infinity;
}

/** Over a long way nothing is heard of a rate for a round trip, and one more is left for queues. */
export function doublings(pace: Pace): number {
  return isLong(pace) ? raiseEveryMs / (2 * pace.roundTrip.standingMs) : 1;
}

export function isLong(pace: Pace): boolean {
  return pace.isFar && seemsLong(pace);
}

/** Over a long way each loss counts as it does for TCP, whatever it comes of. */
export function halved(pace: Pace, nowMs: number): Pace {
  const next: Pace = {
    ...withNothingCounted(pace, nowMs),
    ...{ situation: 'steady', trial: undefined, cutMs: nowMs, raisedMs: nowMs },
    capacityBytesPerS: carried(pace),
  };
  const most = next.capacityBytesPerS * unclaimedShare || Number.POSITIVE_INFINITY;
  // Rates that double are ahead of what is reported.
  const factor = pace.situation === 'slow-start' ? cutFactor / slowStartFactor : cutFactor;
  return { ...next, rateBytesPerS: atLeast(next, Math.min(most, used(pace) * factor)) };
}

/** What the link is now known to carry: no more where much was lost, no less where little was. */
function carried(pace: Pace): number {
  const { situation, capacityBytesPerS: before } = pace;
  const lossShare = Math.min(1, pace.lost / Math.max(1, pace.expected));
  const throughBytesPerS = used(pace) * (1 - lossShare);
  if (situation === 'slow-start') return before;
  if (lossShare > clearShare) return Math.min(before || throughBytesPerS, throughBytesPerS);
  return Math.max(before, throughBytesPerS);
}
