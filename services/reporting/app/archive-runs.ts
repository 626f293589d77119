import {
  type AggregateId,
  type AggregateType,
  type RecordedEvent,
  runOfAggregate,
} from '#libs/contracts/index.js';
import type { EventArchive } from '#libs/event-log/archived-log.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { aggregateKey } from '#libs/event-log/parking.js';
import type { DueRuns, KnownRuns } from './known-runs.js';

/** What belongs to one run alone, and goes with it. Ledgers of sites and servers stay. */
export const aggregatesOfOneRun = [
  'run',
  'changeset',
  'distribution',
  'run-in-segment',
  'outcome',
] as const satisfies readonly AggregateType[];

/** Events to archive, and the aggregates that they are all of. */
export interface Archivable {
  readonly runs: readonly string[];
  readonly events: readonly RecordedEvent[];
  readonly aggregates: readonly AggregateId[];
}

/** Keeps a pass small: its events are in memory. The rest is for the next. */
export const mostEventsPerPass = 200_000;

/** A log whose first events are all too young has nothing; one of them may have a wrong time. */
const firstLooks = 200;

type ReadableLog = Pick<EventLog, 'replay' | 'lastSequence'>;

/**
 * The runs that were closed before a time, oldest first, with all events of the aggregates that
 * belong to them alone. An aggregate that something happened to since stays, and so does its run.
 * A run that an event from outside began stays for a week: it is how a repetition is known.
 * Reads what came since the last pass, and what it returns; nothing of runs that stay.
 * @param known from one pass to the next; told by `forget` what has left the log
 */
export async function archivable(
  log: ReadableLog,
  known: KnownRuns,
  closedBeforeMs: number,
  nowMs: number,
): Promise<Archivable> {
  if ((await log.lastSequence()) < known.afterSequence) known.clear();
  await readOn(log, known, closedBeforeMs);
  const due = known.due(closedBeforeMs, nowMs, mostEventsPerPass);
  const byRun = due.runs.size > 0 ? await eventsOf(log, due) : new Map<string, RecordedEvent[]>();
  const whole = [...due.runs].filter(([run, count]) => byRun.get(run)?.length === count);
  const runs = whole.map(([run]) => run);
  // Another replica archived them, or the log was restored: what is known of it is not so any more.
  if (runs.length < due.runs.size) known.clear();
  const events = runs.flatMap((run) => byRun.get(run) ?? []);
  events.sort((a, b) => a.sequence - b.sequence);
  const aggregates = new Map(events.map((event) => [aggregateKey(event), event.aggregate]));
  return { runs, events, aggregates: [...aggregates.values()] };
}

async function readOn(log: ReadableLog, known: KnownRuns, closedBeforeMs: number): Promise<void> {
  const { afterSequence } = known;
  let hasOld = known.hasOlder(closedBeforeMs);
  let looks = 0;
  for await (const event of log.replay({ afterSequence, aggregateTypes: aggregatesOfOneRun })) {
    known.add(event);
    hasOld ||= event.timeMs < closedBeforeMs;
    looks += 1;
    if (!hasOld && looks >= firstLooks) return;
  }
}

async function eventsOf(log: ReadableLog, due: DueRuns): Promise<Map<string, RecordedEvent[]>> {
  const byRun = new Map<string, RecordedEvent[]>();
  const afterSequence = due.firstSequence - 1;
  const aggregateTypes = aggregatesOfOneRun;
  for await (const event of log.replay({ afterSequence, aggregateTypes, withStored: true })) {
    const { type, id } = event.aggregate;
    const run = runOfAggregate(type, id, event.context.correlationId) ?? '';
    const events = byRun.get(run);
    if (events) events.push(event);
    else if (due.runs.has(run)) byRun.set(run, [event]);
    if (event.sequence >= due.lastSequence) break;
  }
  return byRun;
}

/** Where archived events go. */
export interface ArchiveWriter extends EventArchive {
  write(
    events: readonly { sequence: number; body: string }[],
  ): Promise<{ name: string; bytes: number }>;
  sizes(): Promise<{ files: number; bytes: number; events: number }>;
}
