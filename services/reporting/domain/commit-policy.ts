import { type CommitPolicy, GoLive, type RunTarget } from '#libs/contracts/index.js';

/** A commit at a given time is issued so much earlier at least, to be everywhere when it comes. */
export const minimumLeadMs = 2_000;

/** How many of `targeted` servers must be prepared, at least one; and in words. */
export function quorumOf(policy: CommitPolicy | undefined, targeted: number) {
  const quorum = policy?.quorum;
  switch (quorum?.case) {
    case 'all':
      return { needed: quorum.value ? targeted : 1, words: 'all' };
    case 'count':
      return { needed: Math.max(1, quorum.value), words: String(quorum.value) };
    case 'percent': {
      const needed = Math.max(1, Math.ceil((targeted * quorum.value) / 100));
      return { needed, words: `${quorum.value}%` };
    }
    case undefined:
      return { needed: 1, words: '1' };
  }
}

type Target = Pick<RunTarget, 'segment' | 'nodes'>;

/** Why the prepared servers are not the quorum of those targeted; undefined: they are. */
export function quorumProblem(
  policy: CommitPolicy | undefined,
  targets: readonly Target[],
  prepared: readonly Target[],
): string | undefined {
  const problem = (where: string, wanted: readonly Target[], ready: readonly Target[]) => {
    const { needed, words } = quorumOf(policy, serverCount(wanted));
    if (serverCount(ready) >= needed) return undefined;
    const counts = `${serverCount(ready)} of ${serverCount(wanted)} servers${where}`;
    return `${counts} are prepared, the quorum is ${words}`;
  };
  if (!policy?.eachSegment) return problem('', targets, prepared);
  return targets
    .map((target) => {
      const ready = prepared.filter(({ segment }) => segment === target.segment);
      return problem(` of ${target.segment}`, [target], ready);
    })
    .find((each) => each !== undefined);
}

function serverCount(targets: readonly Target[]): number {
  return targets.reduce((sum, { nodes }) => sum + nodes.length, 0);
}

/** Whether a policy says when servers switch after the commit; otherwise it is predicted. */
export function hasGivenLead(policy: CommitPolicy | undefined): boolean {
  const isOnReceipt = policy?.switchOnReceipt === true || policy?.goLive === GoLive.ON_APPLY;
  return isOnReceipt || (policy?.switchLeadMs ?? 0n) > 0n;
}

/** What a run whose quorum is prepared does now. */
export type GoLiveStep =
  | { readonly kind: 'commit' /** 0: each server on receipt. */; readonly switchAtMs: number }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'wait-for-approval' };

/**
 * @param predictedP99Ms in how long a commit is at 99 of 100 servers; the lead is twice that where
 * the policy gives none
 */
export function goLiveStep(
  policy: CommitPolicy | undefined,
  approved: boolean,
  nowMs: number,
  predictedP99Ms: number,
): GoLiveStep {
  const leadMs = hasGivenLead(policy) ? Number(policy?.switchLeadMs ?? 0n) : 2 * predictedP99Ms;
  const together: GoLiveStep = { kind: 'commit', switchAtMs: leadMs > 0 ? nowMs + leadMs : 0 };
  switch (policy?.goLive) {
    case GoLive.MANUAL:
      return approved ? together : { kind: 'wait-for-approval' };
    case GoLive.AT: {
      const atMs = Number(policy.atMs);
      const commitAtMs = atMs - Math.max(leadMs, minimumLeadMs);
      if (nowMs < commitAtMs) return { kind: 'wait', untilMs: commitAtMs };
      return { kind: 'commit', switchAtMs: Math.max(atMs, leadMs > 0 ? nowMs + leadMs : 0) };
    }
    default:
      return together;
  }
}
