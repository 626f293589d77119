/** Time constants of MCTP; the README says what each is for. */
const leastGreetingMs = 50;
export const mostGreetingMs = 500;
/** Waiting for a member that does not listen yet pays, up to this share of the pass. */
const greetingShare = 0.25;
/** How often at most the head is repeated within a pass. */
export const headEveryMs = 100;
/** Quiet on the data channel after which a pass has really ended for a receiver. */
export const settleMs = 4;
/** The same for frames on the control channel. */
export const inlineSettleMs = 1;
/** What a host may need to join the data group. */
export const joiningMs = 250;
/** Up to here members answer at once. */
export const smallSegment = 8;
const spreadPerMemberMs = 2;
const maxSpreadMs = 1_000;
const firstWindowMs = 100;
const windowGrowth = 1.5;
const maxWindowMs = 500;
/** How often a running pass is announced again. */
export const announceEveryMs = 250;
/** Answers a participant may fail to give in a row. */
export const maxSilences = 10;
/** Passes after which who is not complete is left to unicast. */
export const maxPasses = 10;
/** Passes that may bring a participant nothing. */
export const maxStalledPasses = 10;
/** A receiver that hears nothing for so long asks by itself, then less and less often. */
export const askAfterMs = 500;
/** The leader is taken for gone. */
export const leaderGoneMs = 10_000;
/** Least time between two reports within one pass. */
export const interimEveryMs = 50;
/** The same where nothing is lost: the way to a member stays measured. */
export const quietReportEveryMs = 1_000;
/** Frames overtake each other on hosts of several processors: no loss is told sooner. */
export const lateMs = 20;
/** Least time between reports of a buffer that fills up; how often a member looks at its own. */
export const backlogEveryMs = 25;
export const backlogLookMs = 2;
/** A receive buffer this full is told of. */
export const backlogTold = 0.25;

/** Over how long the answers of `participants` spread, so that large segments do not implode. */
export function responseSpreadMs(participants: number): number {
  return participants <= smallSegment ? 0 : Math.min(maxSpreadMs, participants * spreadPerMemberMs);
}

/**
 * How long the leader waits at most until everybody listens, from the first announcement on.
 * @param passMs what the first pass takes at the rate that it begins with
 */
export function greetingLimitMs(participants: number, passMs: number): number {
  const worthMs = Math.max(leastGreetingMs, Math.min(mostGreetingMs, passMs * greetingShare));
  return worthMs + responseSpreadMs(participants);
}

/** How long the leader waits for answers at its `attempt`th request, counted from 0. */
export function responseWindowMs(participants: number, attempt: number): number {
  const windowMs = Math.min(maxWindowMs, firstWindowMs * windowGrowth ** attempt);
  return windowMs + responseSpreadMs(participants);
}
