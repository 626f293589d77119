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

/** So long an event from outside is known again by the run that it began. */
const repetitionsKnownMs = 7 * 24 * 60 * 60_000;

/** Keeps a pass small: its events are in memory. The rest is for the next. */
export const mostEventsPerPass = 200_000;

/** A log whose first events are all too young has nothing; one of them may have a wrong time. */
const firstLooks = 200;

/**
 * The runs that were closed before a time, oldest first, with all events of the aggregates that
 * belong to them alone. An aggregate that something happened to since stays, and so does its run.
 * A run that an event from outside began stays for a week: it is how a repetition is known.
 * @param log events of `aggregatesOfOneRun`; read no further than anything may be found
 */
export async function archivable(
  log: AsyncIterable<RecordedEvent>,
  closedBeforeMs: number,
  nowMs: number,
): Promise<Archivable> {
  const found = new FoundRuns(closedBeforeMs, nowMs);
  let looks = 0;
  let hasOld = false;
  for await (const event of log) {
    found.add(event);
    hasOld ||= event.timeMs < closedBeforeMs;
    looks += 1;
    if (!hasOld && looks >= firstLooks) break;
  }
  return found.chosen();
}

/** What a pass has seen: of runs that stay, no event is kept. */
class FoundRuns {
  private readonly old = new Map<string, RecordedEvent[]>();
  private readonly closed = new Set<string>();
  private readonly staying = new Set<string>();

  constructor(
    private readonly closedBeforeMs: number,
    private readonly nowMs: number,
  ) {}

  add(event: RecordedEvent): void {
    const { type, id } = event.aggregate;
    const run = runOfAggregate(type, id, event.context.correlationId) ?? '';
    if (this.staying.has(run)) return;
    if (event.timeMs >= this.closedBeforeMs || this.isStillKnown(event)) {
      this.staying.add(run);
      this.old.delete(run);
      return;
    }
    if (event.type === 'RunClosed' || event.type === 'RunCancelled') this.closed.add(run);
    const events = this.old.get(run);
    if (events) events.push(event);
    else this.old.set(run, [event]);
  }

  chosen(): Archivable {
    const chosen: RecordedEvent[] = [];
    const runs: string[] = [];
    for (const [run, events] of this.old) {
      if (!this.closed.has(run) || chosen.length + events.length > mostEventsPerPass) continue;
      runs.push(run);
      chosen.push(...events);
    }
    chosen.sort((a, b) => a.sequence - b.sequence);
    const aggregates = new Map(chosen.map((event) => [aggregateKey(event), event.aggregate]));
    return { runs, events: chosen, aggregates: [...aggregates.values()] };
  }

  /** A repetition of the event from outside that began it must find it. */
  private isStillKnown(event: RecordedEvent): boolean {
    if (event.type !== 'RunRequested' || !isHeard(event)) return false;
    return event.timeMs > this.nowMs - repetitionsKnownMs;
  }
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
