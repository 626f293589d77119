/*
 * What the way to the limiting receiver and back changes about the pace. It grows no faster than
 * TCP over the same way; a queue on a link that carries more is of somebody else's making; and over
 * a way that is longer than a LAN's it is TCP's own AIMD: slow start from TCP's first window, half
 * after each loss, and half of the link left to others unasked.
 */

import { type Pace, used, withNothingCounted } from './pace.js';
import {
  aloneShare,
  atLeast,
  clearShare,
  cutFactor,
  fairShare,
  keptShare,
  raiseEveryMs,
  sharedForMs,
  slowStartFactor,
  unclaimedShare,
} from './pace-limits.js';
import type { RoundTrip } from './round-trips.js';

/** Longer than busy hosts of a LAN take, again and again, to answer. */
const longWayMs = 25;
/** The same for what is more than the way without queues. */
const longQueueMs = 20;
/** Of Ethernet's TCP, and what it begins with (RFC 6928). */
const segmentBytes = 1_448;
const firstWindowBytes = 10 * segmentBytes;

/**
 * What the limiting receiver's reports say. A queue although less leaves than the link carries is
 * of somebody else's making.
 */
export function withRoundTrip(pace: Pace, roundTrip: RoundTrip, nowMs: number): Pace {
  // Where less leaves than is allowed, the queue is on this host's own link.
  const isKept = pace.leftRate > pace.rateBytesPerS * keptShare;
  const isBelow = used(pace) < pace.capacityBytesPerS * aloneShare;
  const isOthers = isKept && isBelow && isQueued({ roundTrip });
  const forMs = Math.max(sharedForMs, tcpClimbMs(pace.capacityBytesPerS, roundTrip));
  const sharedUntilMs = isOthers ? nowMs + forMs : pace.sharedUntilMs;
  const most = isOthers ? pace.capacityBytesPerS * fairShare : Number.POSITIVE_INFINITY;
  const rateBytesPerS = Math.min(pace.rateBytesPerS, most);
  return { ...pace, roundTrip, sharedUntilMs, rateBytesPerS };
}

/** Whether the way is long by what is known so far. */
export function seemsLong({ roundTrip }: Pace): boolean {
  return roundTrip.wayMs > longWayMs;
}

/** When the first frame is to leave: over a long way as slowly as TCP begins. */
export function begun(pace: Pace): Pace {
  if (!isLong(pace)) return pace;
  const firstBytesPerS = (1_000 * firstWindowBytes) / pace.roundTrip.wayMs;
  return { ...pace, rateBytesPerS: atLeast(pace, firstBytesPerS) };
}

export function isQueued({ roundTrip }: Pick<Pace, 'roundTrip'>): boolean {
  return roundTrip.standingMs - roundTrip.wayMs > longQueueMs;
}

/** What TCP grows by in the same time: a segment each round trip. */
export function tcpStep({ standingMs }: RoundTrip): number {
  const roundTripS = standingMs / 1_000;
  return roundTripS > 0 ? (segmentBytes * raiseEveryMs) / 1_000 / roundTripS ** 2 : Infinity;
}

/** How long TCP grows until it has half of such a link. */
function tcpClimbMs(capacityBytesPerS: number, { longestMs }: RoundTrip): number {
  return ((capacityBytesPerS / 2) * longestMs ** 2) / 1_000 / segmentBytes;
}

/** Over a long way nothing is heard of a rate for a round trip, and one more is left for queues. */
export function doublings(pace: Pace): number {
  return isLong(pace) ? raiseEveryMs / (2 * pace.roundTrip.standingMs) : 1;
}

export function isLong(pace: Pace): boolean {
  return seemsLong(pace) && pace.roundTrip.isSure;
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
