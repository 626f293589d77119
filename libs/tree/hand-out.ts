/**
 * Where one leader of a plan stands: nobody told it yet; it was told and pulls; it has everything;
 * it does not answer.
 */
export type Standing = 'waiting' | 'notified' | 'received' | 'failed';

/** The source that is no leader: the control plane itself. */
export const origin = 'origin';

/** One leader of a plan, in the plan's order. */
export interface Hop {
  readonly standing: Standing;
  /** Whom it was told to pull from: `origin` or a segment; empty while it waits. */
  readonly source: string;
  /** When it came to stand there. */
  readonly sinceMs: number;
}

export interface HandOutLimits {
  /** Transfers that the origin serves at a time. */
  readonly originFanOut: number;
  /** How long nothing must have happened before the origin takes on leaders after the first. */
  readonly quietMs: number;
  /** A transfer that has taken so long keeps nobody else waiting: its leader may hang. */
  readonly hungMs: number;
}

/** What the origin does: hand out to these now, and look again at a time. */
export interface OriginTurn<H> {
  readonly now: readonly H[];
  readonly nextAtMs: number | undefined;
}

/**
 * Whom a leader serves next: the first in order that nobody told yet and that can be reached.
 * Nobody while the leader still serves another: with one transfer at a time the holders double each
 * round, and no leader becomes the centre of a star by asking first.
 */
export function nextLeader<H extends Pick<Hop, 'standing' | 'source'>>(
  plan: Iterable<H>,
  asker: string,
  isReachable: (hop: H) => boolean,
): H | undefined {
  let next: H | undefined;
  for (const hop of plan) {
    if (hop.standing === 'notified' && hop.source === asker) return undefined;
    if (!next && hop.standing === 'waiting' && isReachable(hop)) next = hop;
  }
  return next;
}

/**
 * Whom the origin tells itself. It begins with the first `originFanOut` leaders; the others are
 * handed on by leaders that have received. It steps in again only when that has stopped: leaders
 * wait, none was told or finished for `quietMs`, and the origin has a transfer free.
 */
export function originTurn<H extends Hop>(
  plan: readonly H[],
  isReachable: (hop: H) => boolean,
  limits: HandOutLimits,
  nowMs: number,
): OriginTurn<H> {
  const waiting = plan.filter((hop) => hop.standing === 'waiting' && isReachable(hop));
  const hungAtMs = plan
    .filter((hop) => hop.standing === 'notified' && hop.source === origin)
    .map(({ sinceMs }) => sinceMs + limits.hungMs)
    .filter((atMs) => nowMs < atMs)
    .sort((a, b) => a - b);
  const free = limits.originFanOut - hungAtMs.length;
  if (waiting.length === 0) return { now: [], nextAtMs: undefined };
  if (free <= 0) return { now: [], nextAtMs: hungAtMs[-free] };
  const quietAtMs = lastHandOutMs(plan) + limits.quietMs;
  if (nowMs < quietAtMs) return { now: [], nextAtMs: quietAtMs };
  return { now: waiting.slice(0, free), nextAtMs: undefined };
}

function lastHandOutMs(plan: readonly Hop[]): number {
  return plan.reduce(
    (last, { standing, sinceMs }) => (standing === 'waiting' ? last : Math.max(last, sinceMs)),
    Number.NEGATIVE_INFINITY,
  );
}
