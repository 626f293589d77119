/** Time constants of MCTP; the README says what each is for. */
export const greetingMs = 10;
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
const firstWindowMs = 40;
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
export const interimEveryMs = 100;

/** Over how long the answers of `participants` spread, so that large segments do not implode. */
export function responseSpreadMs(participants: number): number {
  return participants <= smallSegment ? 0 : Math.min(maxSpreadMs, participants * spreadPerMemberMs);
}

/** How long the leader waits for answers at its `attempt`th request, counted from 0. */
export function responseWindowMs(participants: number, attempt: number): number {
  const windowMs = Math.min(maxWindowMs, firstWindowMs * windowGrowth ** attempt);
  return windowMs + responseSpreadMs(participants);
}
