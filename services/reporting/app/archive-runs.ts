import {
  type AggregateId,
  type AggregateType,
  eventTrigger,
  type RecordedEvent,
  runOfAggregate,
} from '#libs/contracts/index.js';
import type { EventArchive } from '#libs/event-log/archived-log.js';
import { aggregateKey } from '#libs/event-log/parking.js';

/** What belongs to one run alone, and goes with it. Ledgers of sites and servers stay. */
const ofOneRun: ReadonlySet<AggregateType> = new Set<AggregateType>([
  'run',
  'changeset',
  'distribution',
  'run-in-segment',
  'outcome',
]);

/** Events to archive, and the aggregates that they are all of. */
export interface Archivable {
  readonly runs: readonly string[];
  readonly events: readonly RecordedEvent[];
  readonly aggregates: readonly AggregateId[];
}

/** So long an event from outside is known again by the run that it began. */
const repetitionsKnownMs = 7 * 24 * 60 * 60_000;

/** Keeps a pass small: its events are in memory. The rest is for the next. */
export const mostEventsPerPass = 200_000;

/**
 * The runs that were closed before a time, oldest first, with all events of the aggregates that
 * belong to them alone. An aggregate that something happened to since stays, and so does its run.
 * A run that an event from outside began stays for a week: it is how a repetition is known.
 */
export async function archivable(
  log: AsyncIterable<RecordedEvent>,
  closedBeforeMs: number,
  nowMs: number,
): Promise<Archivable> {
  const heard = new Set<string>();
  const byRun = new Map<string, RecordedEvent[]>();
  const closed = new Set<string>();
  for await (const event of log) {
    if (!ofOneRun.has(event.aggregate.type)) continue;
    const { type, id } = event.aggregate;
    const run = runOfAggregate(type, id, event.context.correlationId) ?? '';
    const events = byRun.get(run) ?? [];
    events.push(event);
    byRun.set(run, events);
    if (
      event.type === 'RunRequested' &&
      isHeard(event) &&
      event.timeMs > nowMs - repetitionsKnownMs
    )
      heard.add(run);
    if (event.type === 'RunClosed' || event.type === 'RunCancelled') closed.add(run);
    if (event.timeMs >= closedBeforeMs) closed.delete(run);
  }
  const chosen: RecordedEvent[] = [];
  const runs: string[] = [];
  for (const [run, events] of byRun) {
    if (!closed.has(run) || heard.has(run) || chosen.length + events.length > mostEventsPerPass)
      continue;
    runs.push(run);
    chosen.push(...events);
  }
  chosen.sort((a, b) => a.sequence - b.sequence);
  const aggregates = new Map(chosen.map((event) => [aggregateKey(event), event.aggregate]));
  return { runs, events: chosen, aggregates: [...aggregates.values()] };
}

function isHeard({ data }: RecordedEvent<'RunRequested'>): boolean {
  return data.terms?.trigger.startsWith(eventTrigger) ?? false;
}

/** Where archived events go. */
export interface ArchiveWriter extends EventArchive {
  write(
    events: readonly { sequence: number; body: string }[],
  ): Promise<{ name: string; bytes: number }>;
  sizes(): Promise<{ files: number; bytes: number; events: number }>;
}
