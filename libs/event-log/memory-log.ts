import {
  type AggregateId,
  type DomainEvent,
  type EventContext,
  partitionOf,
  partitionOfRows,
  type RecordedEvent,
  toCloudEvent,
} from '#libs/contracts/index.js';
import {
  type AggregateAppend,
  type AggregateHead,
  AtomicAppendUnsupported,
  type EventLog,
  type LogCapabilities,
  type LogFilter,
  type LogSubscription,
  type Passed,
  VersionConflict,
} from './event-log.js';
import { eventsCausedBy, pendingEvents } from './pending-events.js';

export interface MemoryLogOptions {
  /** False: behaves as a server that has no atomic append. */
  readonly atomicAppend?: boolean;
}

/** A log in memory, for tests and the simulator: the same behaviour, nothing on disk. */
export function memoryLog({ atomicAppend = true }: MemoryLogOptions = {}): EventLog {
  return new MemoryLog({ server: 'memory', atomicAppend, durableAcknowledgement: false });
}

class MemoryLog implements EventLog {
  private readonly events: RecordedEvent[] = [];
  private readonly byAggregate = new Map<string, RecordedEvent[]>();
  private readonly followers = new Set<() => void>();

  constructor(readonly capabilities: LogCapabilities) {}

  async append(
    aggregate: AggregateId,
    expected: AggregateHead,
    events: readonly DomainEvent[],
    context: EventContext,
    timeMs: number,
  ) {
    return this.appendAll([{ aggregate, expected, events }], context, timeMs);
  }

  async appendAtomically(
    appends: readonly AggregateAppend[],
    context: EventContext,
    timeMs: number,
  ) {
    if (!this.capabilities.atomicAppend) {
      throw new AtomicAppendUnsupported('this log appends to one aggregate at a time');
    }
    return this.appendAll(appends, context, timeMs);
  }

  async read(aggregate: AggregateId, afterSequence = 0) {
    return this.eventsOf(aggregate).filter(({ sequence }) => sequence > afterSequence);
  }

  async *replay(filter: LogFilter) {
    const end = this.events.length;
    for (let index = filter.afterSequence; index < end; index++) {
      const event = this.events[index] as RecordedEvent;
      if (matches(filter, event)) yield asked(filter, event);
    }
  }

  subscribe(filter: LogFilter) {
    return follow(this.events, this.followers, filter.afterSequence, (event) =>
      matches(filter, event) ? asked(filter, event) : undefined,
    );
  }

  follow(filter: LogFilter): LogSubscription<RecordedEvent | Passed> {
    return follow<RecordedEvent | Passed>(
      this.events,
      this.followers,
      filter.afterSequence,
      (event) => (isOfRows(filter, event) ? asked(filter, event) : passed(event)),
    );
  }

  async lastSequence() {
    return this.events.length;
  }

  /** Checks all, then stores all. */
  private appendAll(
    appends: readonly AggregateAppend[],
    context: EventContext,
    timeMs: number,
  ): RecordedEvent[] {
    const checked = appends
      .filter(({ events }) => events.length > 0)
      .map((append) => ({ append, pending: pendingEvents(append, context, timeMs) }));
    for (const { append } of checked) this.checkExpected(append, context.causationId);
    return checked.flatMap(({ append, pending }) => {
      const repeated = eventsCausedBy(context.causationId, this.eventsOf(append.aggregate));
      if (repeated.length > 0) return repeated;
      const first = this.events.length + 1;
      const recorded = pending.map(
        (event, index) => ({ ...event, sequence: first + index }) as RecordedEvent,
      );
      this.store(append.aggregate, recorded);
      return recorded;
    });
  }

  private checkExpected({ aggregate, expected }: AggregateAppend, causationId: string): void {
    const present = this.eventsOf(aggregate);
    const isRepetition = eventsCausedBy(causationId, present).length > 0;
    if (!isRepetition && (present.at(-1)?.sequence ?? 0) !== expected.sequence) {
      throw new VersionConflict(aggregate, expected);
    }
  }

  private store(aggregate: AggregateId, recorded: readonly RecordedEvent[]): void {
    const present = this.byAggregate.get(keyOf(aggregate));
    if (present) present.push(...recorded);
    else this.byAggregate.set(keyOf(aggregate), [...recorded]);
    this.events.push(...recorded);
    for (const wake of this.followers) wake();
  }

  private eventsOf(aggregate: AggregateId): readonly RecordedEvent[] {
    return this.byAggregate.get(keyOf(aggregate)) ?? [];
  }
}

function follow<Item>(
  events: readonly RecordedEvent[],
  followers: Set<() => void>,
  afterSequence: number,
  select: (event: RecordedEvent) => Item | undefined,
): LogSubscription<Item> {
  let isClosed = false;
  let wake: () => void = () => undefined;
  const onChange = () => wake();
  followers.add(onChange);

  async function* read(): AsyncGenerator<Item> {
    for (let index = afterSequence; !isClosed; ) {
      const event = events[index];
      if (!event) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      index += 1;
      const item = select(event);
      if (item) yield item;
    }
  }

  return {
    [Symbol.asyncIterator]: read,
    async close() {
      isClosed = true;
      followers.delete(onChange);
      wake();
    },
  };
}

function isOfRows({ partitions }: LogFilter, { aggregate, context }: RecordedEvent): boolean {
  const { type, id } = aggregate;
  return !partitions || partitions.includes(partitionOfRows(type, id, context.correlationId));
}

function passed({ sequence }: RecordedEvent): Passed {
  return { type: 'Passed', sequence };
}

function asked({ withStored }: LogFilter, event: RecordedEvent): RecordedEvent {
  return withStored ? { ...event, stored: JSON.stringify(toCloudEvent(event)) } : event;
}

function matches(filter: LogFilter, event: RecordedEvent): boolean {
  const { type, id } = event.aggregate;
  if (filter.aggregateTypes && !filter.aggregateTypes.includes(type)) return false;
  return !filter.partitions || filter.partitions.includes(partitionOf(type, id));
}

const keyOf = ({ type, id }: AggregateId) => `${type}.${id}`;
