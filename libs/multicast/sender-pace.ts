/*
 * The rate algorithm: AIMD on the worst member's loss (additive increase, multiplicative decrease,
 * as TCP and PGMCC), with slow start, a decrease to the rate that got through (as BBR) when that is
 * less than half, a ceiling while others use the link, and an allowance for loss that does not
 * depend on the rate, as bad cables have it.
 */

import { backlogEveryMs } from './timing.js';

/** What a network and its hosts are good for. */
export interface PaceLimits {
  /** Bytes per second to begin with, and at most. */
  readonly rateBytesPerS: number;
  readonly maxRateBytesPerS: number;
  /** Bytes that may leave between two turns of the event loop without flooding a receiver. */
  readonly burstBytes: number;
}

/** How fast frames leave. */
export interface Pace extends PaceLimits {
  readonly situation: 'slow-start' | 'host-bound' | 'steady';
  /** What is added per raise when steady. */
  readonly stepBytesPerS: number;
  /** Share of frames that is lost whatever the rate. */
  readonly ambientLossShare: number;
  /** The same when it was last found out: it is not taken to have grown since. */
  readonly judgedLossShare: number;
  /** Loss that the last cut answered to. */
  readonly lossShareAtCut: number;
  /** Bytes per second. */
  readonly rateBeforeCut: number;
  /** The most that has got through when something was lost, in bytes per second; 0: not known. */
  readonly capacityBytesPerS: number;
  /** Until then somebody else is taken to use the link as well. */
  readonly sharedUntilMs: number;
  readonly cutMs: number;
  readonly changedMs: number;
  /** Bytes that have left since the last change: a busy host may not keep up with its rate. */
  readonly leftBytes: number;
}

const minRateBytesPerS = 100_000;
/** Loss on top of the ambient one that is taken for chance: so many standard deviations. */
const noiseDeviations = 4;
/** What a pass's share of loss counts for. */
const passFrames = 1_000;
/** Longer than reports on frames from before a cut can take. */
const cutEveryMs = 250;
/** Room for the queue that has built up to drain. */
const drainFactor = 0.95;
/** A cut that leaves this much of the loss until then was not to the point. */
const unmovedShare = 0.5;
/** A full link carries as much at the slower rate; where less gets through it was not full. */
const lessShare = 0.75;
const judgeWithinMs = 400;
/** More than this no cable loses that is worth sending over. */
const maxAmbientShare = 0.35;
const cutFactor = 0.5;
/** Loss at less than this share of what the link carries: the rest is somebody else's. */
const aloneShare = 0.97;
/** Of the link, while it is shared; for so long after the last sign of it. */
const fairShare = 0.4;
const sharedForMs = 10_000;
/** How fast the ambient share follows what is reported, and is forgotten when nothing is. */
const ambientFollows = 0.2;
const ambientKept = 0.98;
const raiseEveryMs = 50;
const slowStartFactor = 2;
const lateBacklogPerMille = 500;
const lateBacklogFactor = 0.8;
/** Hosts that are busy tell so before they lose anything, so more may be tried soon. */
const hostBoundFactor = 1.1;
/** A quarter is what a pause until the next report makes good. */
const fullBufferPauseMs = 4 * backlogEveryMs;
/** Slower than TCP over a LAN grows, so that the one beside it has the larger part. */
const stepShare = 0.0025;
/** A rate that less than this leaves of is too much for this host already. */
const keptShare = 0.7;
/** What a burst lasts at the rate, so that frames do not leave in heaps. */
const burstMs = 2;

export function newPace(limits: PaceLimits, nowMs: number): Pace {
  const { rateBytesPerS, maxRateBytesPerS, burstBytes } = limits;
  return {
    rateBytesPerS,
    maxRateBytesPerS,
    burstBytes,
    situation: 'slow-start',
    stepBytesPerS: rateBytesPerS * stepShare,
    rateBeforeCut: rateBytesPerS,
    capacityBytesPerS: 0,
    sharedUntilMs: nowMs,
    ambientLossShare: 0,
    judgedLossShare: 0,
    lossShareAtCut: 1,
    cutMs: nowMs - 2 * cutEveryMs,
    changedMs: nowMs,
    leftBytes: 0,
  };
}

/** Frames that leave without a pause. @param lateMs a host that is late makes up for it at once */
export function burstFrames(pace: Pace, frameBytes: number, lateMs: number): number {
  const dueMs = burstMs + Math.max(0, lateMs);
  const bytes = Math.min(pace.burstBytes, (pace.rateBytesPerS * dueMs) / 1000);
  return Math.max(1, Math.floor(bytes / frameBytes));
}

/** Between passes, by the loss of the member that lost most. */
export function passEnded(pace: Pace, lossShare: number, nowMs: number): Pace {
  return afterLoss(pace, lossShare * passFrames, passFrames, nowMs);
}

/** Within a pass, when a member tells what it has lost of late. */
export function lossReported(
  pace: Pace,
  lostFrames: number,
  expectedFrames: number,
  nowMs: number,
): Pace {
  return afterLoss(pace, lostFrames, expectedFrames, nowMs);
}

/** While a receive buffer is over a quarter full, bursts wait: the longer, the fuller it is. */
export function pauseMs(backlogPerMille: number): number {
  return (backlogPerMille / 1_000) * fullBufferPauseMs;
}

/**
 * A receive buffer fills up: nothing is lost yet. Pauses do the work, so that the members' hosts
 * never run dry; the rate comes down where they come too late.
 */
export function backlogReported(pace: Pace, backlogPerMille: number, nowMs: number): Pace {
  const bound: Pace = { ...pace, situation: 'host-bound', changedMs: nowMs, leftBytes: 0 };
  const isLate = backlogPerMille > lateBacklogPerMille && nowMs - pace.cutMs >= raiseEveryMs;
  if (!isLate) return bound;
  const rateBytesPerS = Math.max(minRateBytesPerS, pace.rateBytesPerS * lateBacklogFactor);
  return { ...bound, rateBytesPerS, cutMs: nowMs };
}

/** Within a pass, when there was no cause to slow down for a while. */
export function recovered(pace: Pace, nowMs: number): Pace {
  if (nowMs - pace.changedMs < raiseEveryMs) return pace;
  // More than leaves anyway would be no rate.
  const isKept = leftShare(pace, nowMs) > keptShare;
  const next = isKept ? Math.min(ceiling(pace, nowMs), raised(pace)) : pace.rateBytesPerS;
  const ambientLossShare = pace.ambientLossShare * ambientKept;
  return { ...pace, ambientLossShare, rateBytesPerS: next, changedMs: nowMs, leftBytes: 0 };
}

/** After a time in which nothing was to be sent. */
export function restarted(pace: Pace, nowMs: number): Pace {
  return { ...pace, changedMs: nowMs, leftBytes: 0 };
}

export function withLeft(pace: Pace, bytes: number): Pace {
  return { ...pace, leftBytes: pace.leftBytes + bytes };
}

function raised(pace: Pace): number {
  const { rateBytesPerS, stepBytesPerS, situation } = pace;
  if (situation === 'slow-start') return rateBytesPerS * slowStartFactor;
  if (situation === 'host-bound') return rateBytesPerS * hostBoundFactor;
  return rateBytesPerS + stepBytesPerS;
}

function ceiling(pace: Pace, nowMs: number): number {
  const { maxRateBytesPerS, capacityBytesPerS, rateBytesPerS, sharedUntilMs } = pace;
  if (nowMs >= sharedUntilMs) return maxRateBytesPerS;
  return Math.max(rateBytesPerS, capacityBytesPerS * fairShare);
}

/** What has left of what the rate allowed. */
function leftShare(pace: Pace, nowMs: number): number {
  const allowedBytes = (pace.rateBytesPerS * (nowMs - pace.changedMs)) / 1000;
  return allowedBytes > 0 ? Math.min(1, pace.leftBytes / allowedBytes) : 1;
}

/** Cuts once for all members that tell of the same loss. */
function afterLoss(pace: Pace, lostFrames: number, expectedFrames: number, nowMs: number): Pace {
  const sinceCutMs = nowMs - pace.cutMs;
  if (sinceCutMs < cutEveryMs || expectedFrames === 0) return pace;
  const lossShare = lostFrames / expectedFrames;
  const throughAtCut = pace.rateBeforeCut * (1 - pace.lossShareAtCut);
  const isLess = pace.rateBytesPerS * (1 - lossShare) < throughAtCut * lessShare;
  const isUnmoved = isLess && lossShare > pace.lossShareAtCut * unmovedShare;
  if (sinceCutMs < judgeWithinMs && isUnmoved && lossShare < maxAmbientShare) {
    // The slower rate lost as much: it was not the rate, which is as before.
    const rateBytesPerS = Math.max(pace.rateBytesPerS, pace.rateBeforeCut);
    const judged = { ambientLossShare: lossShare, judgedLossShare: lossShare };
    return { ...pace, ...judged, rateBytesPerS, lossShareAtCut: 1 };
  }
  const ambientFrames = expectedFrames * pace.ambientLossShare;
  const noiseFrames = noiseDeviations * Math.sqrt(ambientFrames);
  if (lostFrames > ambientFrames + noiseFrames) return cut(pace, lossShare, nowMs);
  const drift = (lossShare - pace.ambientLossShare) * ambientFollows;
  const ambientLossShare = Math.min(pace.judgedLossShare, pace.ambientLossShare + drift);
  return { ...pace, ambientLossShare };
}

/**
 * Overshot: to what got through. Later: to half, as TCP, for it may be TCP's turn; and when that
 * was less than the link carries, somebody uses the rest: to no more than a fair share for a while.
 */
function cut(pace: Pace, lossShare: number, nowMs: number): Pace {
  const isOvershoot = pace.situation === 'slow-start';
  const throughBytesPerS = pace.rateBytesPerS * leftShare(pace, nowMs) * (1 - lossShare);
  // While the rate doubles, a report is on a rate that was lower.
  const learntBytesPerS = isOvershoot ? 0 : throughBytesPerS;
  const capacityBytesPerS = Math.max(pace.capacityBytesPerS, learntBytesPerS);
  const isShared = !isOvershoot && pace.rateBytesPerS < capacityBytesPerS * aloneShare;
  const factor = Math.min(isOvershoot ? 1 : cutFactor, (1 - lossShare) * drainFactor);
  const cutTo = pace.rateBytesPerS * factor;
  return {
    ...pace,
    situation: 'steady',
    rateBytesPerS: Math.max(minRateBytesPerS, cutTo),
    rateBeforeCut: pace.rateBytesPerS,
    stepBytesPerS: pace.rateBytesPerS * stepShare,
    lossShareAtCut: lossShare,
    capacityBytesPerS,
    sharedUntilMs: isShared ? nowMs + sharedForMs : pace.sharedUntilMs,
    cutMs: nowMs,
    changedMs: nowMs,
    leftBytes: 0,
  };
}
