/*
 * The rate algorithm: AIMD on the worst member's loss (additive increase, multiplicative decrease,
 * as TCP and PGMCC), with slow start, a decrease to the rate that got through (as BBR) and not to
 * half, and an allowance for loss that does not depend on the rate, as bad cables have it.
 */

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
  readonly situation: 'slow-start' | 'steady';
  /** What is added per raise when steady; below the limit a raise is a share of the rate. */
  readonly stepBytesPerS: number;
  readonly quickBelowBytesPerS: number;
  /** Share of frames that is lost whatever the rate. */
  readonly ambientLossShare: number;
  /** Loss that the last cut answered to. */
  readonly lossShareAtCut: number;
  readonly cutMs: number;
  readonly changedMs: number;
  /** Bytes that have left since the last change: a busy host may not keep up with its rate. */
  readonly leftBytes: number;
}

const minRateBytesPerS = 1_000_000;
/** Loss on top of the ambient one that is taken for noise, not for a flood. */
const toleratedLossShare = 0.02;
/** Longer than reports on frames from before a cut can take. */
const cutEveryMs = 250;
/** Room for the queue that has built up to drain. */
const drainFactor = 0.95;
/** A cut that leaves this much of the loss was not to the point. */
const unmovedShare = 0.75;
const raiseEveryMs = 100;
const slowStartFactor = 1.5;
const quickFactor = 1.1;
const stepShare = 0.02;
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
    quickBelowBytesPerS: 0,
    ambientLossShare: 0,
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
  return afterLoss(pace, lossShare, nowMs);
}

/** Within a pass, when a member tells what it has lost of late. */
export function lossReported(
  pace: Pace,
  lostFrames: number,
  expectedFrames: number,
  nowMs: number,
): Pace {
  return expectedFrames === 0 ? pace : afterLoss(pace, lostFrames / expectedFrames, nowMs);
}

/** Within a pass, when there was no cause to slow down for a while. */
export function recovered(pace: Pace, nowMs: number): Pace {
  if (nowMs - pace.changedMs < raiseEveryMs) return pace;
  // More than leaves anyway would be no rate.
  const isKept = leftShare(pace, nowMs) > keptShare;
  const next = isKept ? Math.min(pace.maxRateBytesPerS, raised(pace)) : pace.rateBytesPerS;
  return { ...pace, rateBytesPerS: next, changedMs: nowMs, leftBytes: 0 };
}

/** After a time in which nothing was to be sent. */
export function restarted(pace: Pace, nowMs: number): Pace {
  return { ...pace, changedMs: nowMs, leftBytes: 0 };
}

export function withLeft(pace: Pace, bytes: number): Pace {
  return { ...pace, leftBytes: pace.leftBytes + bytes };
}

function raised(pace: Pace): number {
  const { rateBytesPerS, stepBytesPerS, situation, quickBelowBytesPerS } = pace;
  if (situation === 'slow-start') return rateBytesPerS * slowStartFactor;
  // A member that stalled for a moment is not to slow the session down for long.
  if (rateBytesPerS < quickBelowBytesPerS) return rateBytesPerS * quickFactor;
  return rateBytesPerS + stepBytesPerS;
}

/** What has left of what the rate allowed. */
function leftShare(pace: Pace, nowMs: number): number {
  const allowedBytes = (pace.rateBytesPerS * (nowMs - pace.changedMs)) / 1000;
  return allowedBytes > 0 ? Math.min(1, pace.leftBytes / allowedBytes) : 1;
}

/** Cuts once for all members that tell of the same loss. */
function afterLoss(pace: Pace, lossShare: number, nowMs: number): Pace {
  if (nowMs - pace.cutMs < cutEveryMs) return pace;
  if (lossShare <= pace.ambientLossShare + toleratedLossShare) return pace;
  const isJustCut = nowMs - pace.cutMs < cutEveryMs + raiseEveryMs;
  if (isJustCut && lossShare > pace.lossShareAtCut * unmovedShare) {
    // The slower rate lost as much: it is not the rate.
    return { ...pace, ambientLossShare: lossShare };
  }
  const through = pace.rateBytesPerS * (1 - lossShare) * drainFactor;
  const rateBytesPerS = Math.max(minRateBytesPerS, through);
  return {
    ...pace,
    situation: 'steady',
    rateBytesPerS,
    stepBytesPerS: rateBytesPerS * stepShare,
    quickBelowBytesPerS: (pace.rateBytesPerS + rateBytesPerS) / 2,
    lossShareAtCut: lossShare,
    cutMs: nowMs,
    changedMs: nowMs,
    leftBytes: 0,
  };
}
