import type { Clock } from '#libs/clock/clock.js';
import { type AssignmentReport, NodeStatus } from '#libs/contracts/index.js';
import type { SegmentRuntime } from '#libs/election/segment-runtime.js';

/** What the collection of reports depends on. */
export interface CollectionHost {
  readonly clock: Clock;
  readonly runtime: Pick<
    SegmentRuntime,
    'collectReports' | 'members' | 'leader' | 'isLeader' | 'isRunning'
  >;
  readonly memberGraceMs: number;
}

/** Thrown at a leader that was deposed, or stops: whoever leads next collects. */
export class LeadershipLost extends Error {
  override readonly name = 'LeadershipLost';
}

/** A member that lives and works but does not come to an end is given up after this. */
const workLimitMs = 10 * 60_000;
const requestsPerRound = 4;

/**
 * Collects the participants' reports. A registered member is waited for while it works; one that is
 * gone, for `memberGraceMs` only.
 * @throws LeadershipLost
 */
export async function collectUntilSettled(
  assignmentId: string,
  participants: readonly string[],
  { clock, runtime, memberGraceMs }: CollectionHost,
): Promise<AssignmentReport[]> {
  const startedMs = clock.nowMs();
  const settled = new Map<string, AssignmentReport>();
  for (let pending = participants; ; ) {
    const options = { requestLimit: requestsPerRound };
    for (const report of await runtime.collectReports(assignmentId, pending, options)) {
      settled.set(report.node, report);
    }
    const { leader } = runtime;
    if (!runtime.isRunning) throw new LeadershipLost('this agent stops');
    if (leader && !runtime.isLeader) {
      throw new LeadershipLost(`${leader.node} leads the segment now`);
    }
    const waitedMs = clock.nowMs() - startedMs;
    const registered = new Set(runtime.members.map(({ register }) => register.node));
    pending = participants.filter((node) => {
      if (settled.get(node)?.status !== NodeStatus.MISSING) return false;
      return waitedMs < (registered.has(node) ? workLimitMs : memberGraceMs);
    });
    if (pending.length === 0) return participants.flatMap((node) => settled.get(node) ?? []);
  }
}
