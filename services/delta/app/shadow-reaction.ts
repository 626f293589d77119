import type { Clock } from '#libs/clock/clock.js';
import {
  type AssignmentBuilt,
  type EventContext,
  JobType,
  NodeStatus,
  type RecordedEvent,
} from '#libs/contracts/index.js';
import { execute } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { shadow } from '../domain/shadow.js';

/** Makes what a commit switches live the base of the site's next delta. Harmless to repeat. */
export async function moveShadow(
  log: EventLog,
  clock: Clock,
  { data: commit }: RecordedEvent<'CommitIssued'>,
  context: EventContext,
): Promise<void> {
  const command = { type: 'move-shadow', commit } as const;
  await execute(log, shadow, commit.site, command, context, clock.nowMs());
}

/**
 * A run that no server kept has left the site as it was: so does its shadow. Where a server did not
 * answer, it may serve the new tree, which stays what the site has live. Harmless to repeat.
 */
export async function takeBackShadow(
  log: EventLog,
  clock: Clock,
  { data: { runId, site, missed } }: RecordedEvent<'RunFailed'>,
  context: EventContext,
): Promise<void> {
  const outcome = await log.read({ type: 'outcome', id: runId });
  const commit = outcome.find((each) => each.type === 'CommitIssued')?.data;
  if (!commit) return;
  const failed = missed.filter(({ status }) => status === NodeStatus.FAILED);
  const switchedBack = new Set(failed.map(({ node }) => node));
  const nodes = commit.prepared.flatMap((target) => target.nodes);
  if (!nodes.every((node) => switchedBack.has(node))) return;
  const command = { type: 'take-back', runId, site } as const;
  await execute(log, shadow, site, command, context, clock.nowMs());
}

/** Records the snapshots of what a run has distributed. Harmless to repeat. */
export async function recordSnapshots(
  log: EventLog,
  clock: Clock,
  { type, data: run }: RecordedEvent<'RunCompleted' | 'RunPartiallyCompleted'>,
  context: EventContext,
): Promise<void> {
  if (type === 'RunCompleted' && run.nothingChanged) return;
  const assignments: AssignmentBuilt[] = [];
  for (const built of await log.read({ type: 'assignment', id: run.site })) {
    if (built.type !== 'AssignmentBuilt' || built.data.runId !== run.runId) continue;
    if (built.data.type !== JobType.SWITCH) assignments.push(built.data);
  }
  const command = { type: 'record-snapshots', assignments } as const;
  await execute(log, shadow, run.site, command, context, clock.nowMs());
}
