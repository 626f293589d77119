import type { Clock } from '#libs/clock/clock.js';
import {
  type AssignmentBuilt,
  type EventContext,
  JobType,
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
