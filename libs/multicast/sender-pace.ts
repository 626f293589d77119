/*
 * The rate algorithm: AIMD on the members' loss (additive increase, multiplicative decrease, as TCP
 * and PGMCC), with slow start. Each cut is a trial: loss that stays although less leaves does not
 * come of the rate, but of bad cables; the rate is restored and so much loss is expected from then
 * on. Loss at less than the link was seen to carry is somebody else's traffic: to him goes the
 * larger part for a while. What the round trip changes is in pace-way.ts.
 */

import { framesOf, lossShareOf, type Pace, type Trial, used, withNothingCounted } from './pace.js';
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
import { doublings, halved, isLong, tcpStep, waitMs } from './pace-way.js';

/** Loss on top of the ambient one that is taken for chance: so many standard deviations. */
const noiseDeviations = 5;
/** Small shares are counted for so long first: one report of one member says little. */
const countForMs = 100;
const clearAfterMs = 50;
/** Longer than reports on frames from before a cut take; a trial ends when it is as old again. */
const settleMs = 100;
const trialMs = 200;
const longestTrialMs = 1_000;
/** No verdict on fewer lost frames: the cut stands. */
const fewLost = 20;
/** A cut that leaves this much of the loss was not to the point. */
const unmovedShare = 0.7;
/** More than this no cable loses that is worth sending over. */
const maxAmbientShare = 0.35;
/** Room for the queue that has built up to drain. */
const drainFactor = 0.95;
/** Over so bad a cable TCP cannot claim its part of a full link: half is left to it unasked. */
const badCableShare = 0.015;
const signsWithinMs = 30_000;
/** How fast the ambient share follows what is reported. */
const ambientFollows = 0.1;
const doubtFactor = 1.25;
const doubtShare = 0.002;
const lateBacklogPerMille = 500;
const lateBacklogFactor = 0.8;
/** Hosts that are busy tell so before they lose anything, so more may be tried soon. */
const hostBoundFactor = 1.1;
/**
 * Short enough that no member's host runs dry meanwhile: what is told to be a quarter full is empty
 * after 10 ms where nothing else holds the host up, and told again where something does.
 */
const fullBufferPauseMs = 40;
/** Of what the link carries, per raise. Slower than TCP over a LAN grows. */
const stepShare = 0.0025;
/** The same far below it, while nobody else uses the link. */
const stepShareIfLow = 0.02;
const lowShare = 0.3;
/** What a burst lasts at the rate, so that frames do not leave in heaps. */
const burstMs = 2;
/** Per window. */
const usedFades = 0.95;

/** Of the own link, whatever else is served over it. */
const leastOwnShare = 0.5;

/** What a host that serves so much by other ways has left of its link for a session. */
export function roomBeside(linkBytesPerS: number, servedBytesPerS: number): number {
  return Math.max(linkBytesPerS * leastOwnShare, linkBytesPerS - servedBytesPerS);
}

/** What may leave now. */
export function sendingRate({ rateBytesPerS, roomBytesPerS }: Pace): number {
  return Math.min(rateBytesPerS, roomBytesPerS);
}

/** Frames that leave without a pause. @param lateMs a host that is late makes up for it at once */
export function burstFrames(pace: Pace, frameBytes: number, lateMs: number): number {
  const dueMs = burstMs + Math.max(0, lateMs);
  const bytes = Math.min(pace.burstBytes, (sendingRate(pace) * dueMs) / 1000);
  return Math.max(1, Math.floor(bytes / frameBytes));
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
  const bound: Pace = { ...pace, situation: 'host-bound', raisedMs: nowMs };
  const isLate = backlogPerMille > lateBacklogPerMille && nowMs - pace.cutMs >= raiseEveryMs;
  if (!isLate) return bound;
  return { ...bound, rateBytesPerS: atLeast(pace, used(pace) * lateBacklogFactor) };
}

/** Within a pass, when there was no cause to slow down for a while. */
export function recovered(pace: Pace, nowMs: number): Pace {
  const measured = withWindow(pace, nowMs);
  const judged = isFruitless(measured, nowMs) ? moved(measured, nowMs) : measured;
  if (judged.trial || nowMs - judged.raisedMs < raiseEveryMs) return judged;
  // More than leaves anyway would be no rate.
  const isKept = judged.leftRate > judged.rateBytesPerS * keptShare;
  const next = isKept ? Math.min(ceiling(judged, nowMs), raised(judged, nowMs)) : 0;
  return { ...judged, rateBytesPerS: Math.max(judged.rateBytesPerS, next), raisedMs: nowMs };
}

/** After a time in which nothing was to be sent. */
export function restarted(pace: Pace, nowMs: number): Pace {
  return { ...pace, raisedMs: nowMs, windowMs: nowMs, leftBytes: 0 };
}

/** @param heard frames that left, times the members that are to hear them */
export function withLeft(pace: Pace, bytes: number, heard: number, nowMs: number): Pace {
  // Reports on the frames just after a cut are among those that are taken to be on frames before.
  const counts = nowMs - pace.cutMs >= settleMs / 2;
  const all = counts ? pace.heard + heard : 0;
  return { ...pace, leftBytes: pace.leftBytes + bytes, heard: all };
}

/** Within a pass, when a member tells what it has lost of late. */
export function lossReported(before: Pace, lost: number, expected: number, nowMs: number): Pace {
  if (nowMs - before.cutMs < settleMs + waitMs(before)) return before;
  const pace = { ...before, lost: before.lost + lost, expected: before.expected + expected };
  if (isLong(pace)) return pace.lost > 0 ? halved(pace, nowMs) : pace;
  if (pace.trial) return tried(pace, pace.trial, nowMs);
  const countedMs = nowMs - pace.countedFromMs;
  const isClear = lossShareOf(pace) > clearShare && countedMs >= clearAfterMs;
  if (!isClear && countedMs < countForMs) return pace;
  const ambientFrames = framesOf(pace) * pace.ambientLossShare;
  const isMore = pace.lost > ambientFrames + noiseDeviations * Math.sqrt(ambientFrames);
  if (isMore) return cut(pace, nowMs);
  const drift = (lossShareOf(pace) - pace.ambientLossShare) * ambientFollows;
  const ambientLossShare = Math.min(mostAmbient(pace), pace.ambientLossShare + drift);
  return withNothingCounted({ ...pace, ambientLossShare }, nowMs);
}

/**
 * Overshot: to what got through. Later: to half, as TCP, for it may be TCP's turn. By what has left
 * and not by what was allowed, or a cut of a rate that the host does not reach would do nothing.
 */
function cut(pace: Pace, nowMs: number): Pace {
  const leftBefore = used(pace);
  const isOvershoot = pace.situation === 'slow-start';
  const lossShare = lossShareOf(pace);
  // Rates that double are ahead of what is reported: all that is learnt is that it was too much.
  const isTrial = !isOvershoot || lossShare < clearShare;
  const through = leftBefore * (1 - lossShare);
  const factor = Math.min(isOvershoot ? 1 : cutFactor, (1 - lossShare) * drainFactor);
  const isBelowCapacity = !isOvershoot && leftBefore < pace.capacityBytesPerS * aloneShare;
  const trial: Trial = {
    ...{ allowedBefore: pace.rateBytesPerS, lossShare, isBelowCapacity, isShallow: isOvershoot },
    throughBytesPerS: isOvershoot || lossShare - pace.ambientLossShare > clearShare ? 0 : through,
  };
  const next: Pace = {
    ...withNothingCounted(pace, nowMs),
    situation: isTrial ? 'steady' : 'host-bound',
    ...{ trial: isTrial ? trial : undefined, cutMs: nowMs, raisedMs: nowMs },
  };
  return { ...next, rateBytesPerS: atLeast(next, leftBefore * factor) };
}

/** A report while a cut is on trial: enough of them judge it. */
function tried(pace: Pace, trial: Trial, nowMs: number): Pace {
  const ambient = pace.ambientLossShare;
  const lossShare = lossShareOf(pace);
  const isEnough = nowMs - pace.cutMs >= trialMs + waitMs(pace) && pace.lost >= fewLost;
  if (!isEnough) return pace;
  if (lossShare > maxAmbientShare) return cut({ ...pace, trial: undefined }, nowMs);
  const isUnmoved = lossShare - ambient > (trial.lossShare - ambient) * unmovedShare;
  if (!isUnmoved) return moved(pace, nowMs);
  // The slower rate lost as much: it was not the rate, which is as before.
  return {
    ...withNothingCounted(pace, nowMs),
    trial: undefined,
    ...{ ambientLossShare: lossShare, judgedLossShare: lossShare },
    rateBytesPerS: Math.max(pace.rateBytesPerS, trial.allowedBefore),
    situation: trial.isShallow ? 'slow-start' : 'steady',
  };
}

/** A verdict is on few frames; what comes on top of it may be congestion. */
function mostAmbient({ judgedLossShare }: Pace): number {
  return judgedLossShare === 0 ? 0 : judgedLossShare * doubtFactor + doubtShare;
}

/** The cut was to the point, and stands. */
function moved(pace: Pace, nowMs: number): Pace {
  const isSign = pace.trial?.isBelowCapacity ?? false;
  const { throughBytesPerS = 0 } = pace.trial ?? {};
  const isShared = isSign && nowMs - pace.signMs < signsWithinMs;
  return {
    ...withNothingCounted(pace, nowMs),
    trial: undefined,
    capacityBytesPerS: Math.max(pace.capacityBytesPerS, throughBytesPerS),
    signMs: isSign ? nowMs : pace.signMs,
    sharedUntilMs: isShared ? nowMs + sharedForMs : pace.sharedUntilMs,
  };
}

/** Whether so few have been lost since a cut that no verdict is to come. */
function isFruitless({ trial, cutMs, heard, lost }: Pace, nowMs: number): boolean {
  if (!trial) return false;
  const sinceCutMs = nowMs - cutMs;
  const expected = heard * trial.lossShare;
  const isQuiet = sinceCutMs >= 2 * trialMs && expected > 2 * fewLost && lost < expected / 4;
  return isQuiet || sinceCutMs >= longestTrialMs;
}

function raised(pace: Pace, nowMs: number): number {
  const { rateBytesPerS, situation, capacityBytesPerS } = pace;
  if (situation === 'slow-start') return rateBytesPerS * slowStartFactor ** doublings(pace);
  if (situation === 'host-bound') return rateBytesPerS * hostBoundFactor;
  const isLow = nowMs >= pace.sharedUntilMs && rateBytesPerS < capacityBytesPerS * lowShare;
  const share = isLow ? stepShareIfLow : stepShare;
  const step = Math.max(capacityBytesPerS, rateBytesPerS) * share;
  return rateBytesPerS + Math.min(step, tcpStep(pace));
}

function ceiling(pace: Pace, nowMs: number): number {
  const { maxRateBytesPerS, capacityBytesPerS, sharedUntilMs, ambientLossShare } = pace;
  if (nowMs < sharedUntilMs) return capacityBytesPerS * fairShare;
  const isBad = ambientLossShare >= badCableShare || isLong(pace);
  return isBad && capacityBytesPerS > 0 ? capacityBytesPerS * unclaimedShare : maxRateBytesPerS;
}

function withWindow(pace: Pace, nowMs: number): Pace {
  const sinceMs = nowMs - pace.windowMs;
  if (sinceMs < raiseEveryMs) return pace;
  const leftRate = (1000 * pace.leftBytes) / sinceMs;
  const usedRate = Math.max(leftRate, used(pace) * usedFades);
  return { ...pace, leftRate, usedRate, leftBytes: 0, windowMs: nowMs };
}
