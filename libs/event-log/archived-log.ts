import {
  eventFromText,
  partitionOf,
  partitionOfRows,
  type RecordedEvent,
} from '#libs/contracts/index.js';
import type { EventLog, LogFilter, LogSubscription, Passed } from './event-log.js';

/** An event that was moved out of the log: its place there and its stored text. */
export interface ArchivedEvent {
  readonly sequence: number;
  readonly body: string;
}

/** What was moved out of the log, in its order. */
export interface EventArchive {
  /** Sequence of the newest archived event; 0 when there is none. */
  lastSequence(): Promise<number>;
  events(afterSequence: number): AsyncIterable<ArchivedEvent>;
}

/** The log together with its archive, for readers of history: as if nothing had been moved. */
export function withArchive(log: EventLog, archive: EventArchive): EventLog {
  return {
    capabilities: log.capabilities,
    append: (...given) => log.append(...given),
    appendAtomically: (...given) => log.appendAtomically(...given),
    lastSequence: () => log.lastSequence(),
    subscribe: (filter) => following(log, archive, filter, (from) => log.subscribe(from)),
    follow: (filter) => following(log, archive, filter, (from) => log.follow(from)),
    replay: (filter) => merged(archived(archive, filter, byAggregate), log.replay(filter)),
    async read(aggregate, afterSequence = 0) {
      const present = await log.read(aggregate, afterSequence);
      if (present.length > 0 || (await archive.lastSequence()) <= afterSequence) return present;
      const events: RecordedEvent[] = [];
      for await (const event of archived(archive, { afterSequence }, byAggregate)) {
        const { type, id } = event.aggregate;
        if (type === aggregate.type && id === aggregate.id) events.push(event);
      }
      return events;
    },
  };
}

type PartitionOf = (event: RecordedEvent) => number;
const byAggregate: PartitionOf = ({ aggregate: { type, id } }) => partitionOf(type, id);
const byRows: PartitionOf = ({ aggregate: { type, id }, context }) =>
  partitionOfRows(type, id, context.correlationId);

/** Both up to the end of the archive, then the log alone, which goes on for ever. */
function following<Item extends RecordedEvent | Passed>(
  log: EventLog,
  archive: EventArchive,
  filter: LogFilter,
  open: (filter: LogFilter) => LogSubscription<Item>,
): LogSubscription<Item> {
  let isClosed = false;
  let subscription: LogSubscription<Item> | undefined;
  async function* read(): AsyncGenerator<Item> {
    let { afterSequence } = filter;
    if ((await archive.lastSequence()) > afterSequence) {
      const past = merged(archived(archive, filter, byRows), log.replay(filter));
      for await (const event of past) {
        if (isClosed) return;
        afterSequence = event.sequence;
        yield event as Item;
      }
    }
    if (isClosed) return;
    subscription = open({ ...filter, afterSequence });
    yield* subscription;
  }
  return {
    [Symbol.asyncIterator]: read,
    async close() {
      isClosed = true;
      await subscription?.close();
    },
  };
}

async function* archived(
  archive: EventArchive,
  { afterSequence, aggregateTypes, partitions, withStored }: LogFilter,
  partition: PartitionOf,
): AsyncGenerator<RecordedEvent> {
  for await (const { sequence, body } of archive.events(afterSequence)) {
    const event = eventFromText(body, sequence);
    if (aggregateTypes && !aggregateTypes.includes(event.aggregate.type)) continue;
    if (partitions && !partitions.includes(partition(event))) continue;
    yield withStored ? { ...event, stored: body } : event;
  }
}

/** Two readings in one order; what both have comes once. */
export async function* merged<Item extends { readonly sequence: number }>(
  first: AsyncIterable<Item>,
  second: AsyncIterable<Item>,
): AsyncGenerator<Item> {
  const [left, right] = [first[Symbol.asyncIterator](), second[Symbol.asyncIterator]()];
  try {
    let [a, b] = [await left.next(), await right.next()];
    while (!a.done || !b.done) {
      if (b.done || (!a.done && a.value.sequence < b.value.sequence)) {
        yield a.value;
        a = await left.next();
        continue;
      }
      const isBoth = !a.done && a.value.sequence === b.value.sequence;
      yield b.value;
      b = await right.next();
      if (isBoth) a = await left.next();
    }
  } finally {
    await Promise.all([left.return?.(), right.return?.()]);
  }
}
