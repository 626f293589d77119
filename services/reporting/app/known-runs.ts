import { eventTrigger, type RecordedEvent, runOfAggregate } from '#libs/contracts/index.js';

/** What is remembered of a run that is in the log: not its events. */
interface KnownRun {
  readonly firstSequence: number;
  lastSequence: number;
  /** The latest time of an event of it. */
  lastMs: number;
  events: number;
  isClosed: boolean;
  /** A repetition of the event from outside that began it must find it until then. */
  staysUntilMs: number;
}

/** Runs that can go, and where their events are. */
export interface DueRuns {
  /** Run id -> how many events it has. */
  readonly runs: ReadonlyMap<string, number>;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** So long an event from outside is known again by the run that it began. */
const repetitionsKnownMs = 7 * 24 * 60 * 60_000;

/** The runs of which events are in the log, so that a pass reads only what came since the last. */
export class KnownRuns {
  private readonly runs = new Map<string, KnownRun>();
  private position = 0;

  /** Sequence of the last event that was taken in. */
  get afterSequence(): number {
    return this.position;
  }

  /** Takes in the next event of the log. */
  add(event: RecordedEvent): void {
    const { sequence, timeMs, aggregate, context } = event;
    this.position = sequence;
    const runId = runOfAggregate(aggregate.type, aggregate.id, context.correlationId) ?? '';
    const run = this.runs.get(runId) ?? newRun(sequence);
    this.runs.set(runId, run);
    run.lastSequence = sequence;
    run.lastMs = Math.max(run.lastMs, timeMs);
    run.events += 1;
    run.isClosed ||= event.type === 'RunClosed' || event.type === 'RunCancelled';
    if (event.type === 'RunRequested' && isHeard(event)) {
      run.staysUntilMs = timeMs + repetitionsKnownMs;
    }
  }

  /** Whether nothing has happened to one of them since a time. */
  hasOlder(thanMs: number): boolean {
    for (const { lastMs } of this.runs.values()) if (lastMs < thanMs) return true;
    return false;
  }

  /**
   * The runs that were closed before a time and to which nothing happened since, oldest first.
   * @param mostEvents of all of them
   */
  due(closedBeforeMs: number, nowMs: number, mostEvents: number): DueRuns {
    const runs = new Map<string, number>();
    let [events, firstSequence, lastSequence] = [0, Number.POSITIVE_INFINITY, 0];
    for (const [runId, run] of this.runs) {
      if (!run.isClosed || run.lastMs >= closedBeforeMs || run.staysUntilMs > nowMs) continue;
      if (events + run.events > mostEvents) continue;
      events += run.events;
      runs.set(runId, run.events);
      firstSequence = Math.min(firstSequence, run.firstSequence);
      lastSequence = Math.max(lastSequence, run.lastSequence);
    }
    return { runs, firstSequence, lastSequence };
  }

  /** Runs of which no event is in the log any more. */
  forget(runIds: Iterable<string>): void {
    for (const runId of runIds) this.runs.delete(runId);
  }

  /** The log is another than it was. */
  clear(): void {
    this.runs.clear();
    this.position = 0;
  }
}

function newRun(firstSequence: number): KnownRun {
  const nothingYet = { lastMs: 0, events: 0, isClosed: false, staysUntilMs: 0 };
  return { firstSequence, lastSequence: firstSequence, ...nothingYet };
}

function isHeard({ data }: RecordedEvent<'RunRequested'>): boolean {
  return data.terms?.trigger.startsWith(eventTrigger) ?? false;
}
