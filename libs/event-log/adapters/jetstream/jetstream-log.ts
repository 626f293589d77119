import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import {
  type AggregateId,
  type DomainEvent,
  type EventContext,
  type PendingEvent,
  type RecordedEvent,
  subjects,
} from '#libs/contracts/index.js';
import { Slots } from '#libs/nest-jetstream/keyed-queue.js';
import { type Logger, silentLogger } from '#libs/telemetry/logger.js';
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
} from '../../event-log.js';
import { eventsCausedBy, pendingEvents } from '../../pending-events.js';
import { eventsOf, eventsOrPlaces, type LogConnection, OrderedReader } from './ordered-reader.js';
import { publishAtomically, publishOne } from './publishing.js';
import { RecentCauses } from './recent-causes.js';
import { isConflict, type Patience, retrying } from './retrying.js';
import { checkServerVersion, LazySync, whyLazy } from './server-checks.js';
import { AggregateReader, messageOf } from './stored-events.js';
import { ensureStreams, eventStream } from './streams.js';

export interface JetStreamLogOptions {
  /** Accepts a server that is not known to write to disk before it acknowledges. */
  readonly allowLazySync: boolean;
  /** HTTP monitoring of each nats-server, separated by commas; proves `sync_interval: always`. */
  readonly monitorUrl?: string;
  /** Copies of the streams, where they do not exist yet; 1 unless given. */
  readonly replicas?: number;
  readonly logger?: Logger;
  readonly patience?: Patience;
}

const defaultPatience: Patience = { attemptTimeoutMs: 2000, totalTimeoutMs: 12_000 };

/**
 * The log in NATS JetStream. Makes the streams it needs; leaves the connection open at the end.
 * @throws UnsupportedServer, LazySync, StreamMismatch, LogUnavailable
 */
export async function openJetStreamLog(
  nats: NatsConnection,
  options: JetStreamLogOptions,
): Promise<EventLog> {
  const { logger = silentLogger, patience = defaultPatience } = options;
  const version = checkServerVersion(nats);
  const lazyReason = await whyLazy(options.monitorUrl);
  if (lazyReason && !options.allowLazySync) throw new LazySync(lazyReason);
  const manager = await retrying('connecting to JetStream', patience, async () => {
    await ensureStreams(nats, options.replicas);
    return jetstreamManager(nats);
  });
  const { config } = await manager.streams.info(eventStream);
  const capabilities: LogCapabilities = {
    server: `nats-server ${version}`,
    atomicAppend: config.allow_atomic === true,
    durableAcknowledgement: lazyReason === undefined,
  };
  logger.info('opened the event log', { ...capabilities });
  if (lazyReason) logger.warn('acknowledged events may not be on disk', { reason: lazyReason });
  const reader = new AggregateReader(
    nats,
    manager,
    config.num_replicas > 1,
    patience.attemptTimeoutMs,
  );
  const connection = { nats, client: jetstream(nats), manager };
  return new JetStreamLog(capabilities, connection, reader, patience);
}

/** A stream takes 50 open batches of all its clients, and forgets those beyond for ten seconds. */
const batchesAtOnce = 8;

class JetStreamLog implements EventLog {
  private readonly recentCauses = new RecentCauses();
  private readonly batches = new Slots(batchesAtOnce);
  private readonly followers = new Set<{ restart(): void }>();

  constructor(
    readonly capabilities: LogCapabilities,
    private readonly connection: LogConnection,
    private readonly reader: AggregateReader,
    private readonly patience: Patience,
  ) {
    void this.watchConnection();
  }

  async append(
    aggregate: AggregateId,
    expected: AggregateHead,
    events: readonly DomainEvent[],
    context: EventContext,
    timeMs: number,
  ): Promise<RecordedEvent[]> {
    const append = { aggregate, expected, events };
    const pending = pendingEvents(append, context, timeMs);
    if (pending.length === 0) return [];
    const repeated = await this.alreadyAppended(append, context.causationId);
    if (this.isComplete(repeated, pending)) return repeated;
    const isWhole = pending.length === 1 || this.capabilities.atomicAppend;
    const recorded = isWhole
      ? await this.appendWhole([{ append, pending }], context.causationId)
      : await this.appendInTurn(append, pending);
    this.remember(recorded, expected.sequence);
    return recorded;
  }

  async appendAtomically(
    appends: readonly AggregateAppend[],
    context: EventContext,
    timeMs: number,
  ): Promise<RecordedEvent[]> {
    if (!this.capabilities.atomicAppend) {
      throw new AtomicAppendUnsupported(`${this.capabilities.server} has no atomic batches`);
    }
    const prepared = appends
      .map((append) => ({ append, pending: pendingEvents(append, context, timeMs) }))
      .filter(({ pending }) => pending.length > 0);
    const known = prepared.find(({ append }) => append.expected.sequence > 0);
    const repeated = known && (await this.alreadyAppended(known.append, context.causationId));
    if (repeated && repeated.length > 0) return this.eventsOf(prepared, context.causationId);
    if (prepared.length === 0) return [];
    const recorded = await this.appendWhole(prepared, context.causationId);
    for (const { aggregate, expected } of appends) {
      this.remember(recorded.filter(isOf(aggregate)), expected.sequence);
    }
    return recorded;
  }

  async read(aggregate: AggregateId, afterSequence = 0): Promise<RecordedEvent[]> {
    const events = await retrying('reading an aggregate', this.patience, () =>
      this.reader.read(aggregate, afterSequence),
    );
    this.remember(events, afterSequence);
    return events;
  }

  async *replay(filter: LogFilter): AsyncGenerator<RecordedEvent> {
    const lastSequence = await this.lastSequence();
    if (lastSequence <= filter.afterSequence) return;
    const reader = new OrderedReader(this.connection, filter, eventsOf(filter));
    this.followers.add(reader);
    try {
      yield* reader.read({ lastSequence });
    } finally {
      this.followers.delete(reader);
    }
  }

  subscribe(filter: LogFilter): LogSubscription {
    return this.following(new OrderedReader(this.connection, filter, eventsOf(filter)));
  }

  follow(filter: LogFilter): LogSubscription<RecordedEvent | Passed> {
    const { partitions: _, ...everything } = filter;
    return this.following(new OrderedReader(this.connection, everything, eventsOrPlaces(filter)));
  }

  private following<Item>(reader: OrderedReader<Item>): LogSubscription<Item> {
    this.followers.add(reader);
    return {
      [Symbol.asyncIterator]: () => reader.read('closed'),
      close: async () => {
        this.followers.delete(reader);
        reader.close();
      },
    };
  }

  async lastSequence(): Promise<number> {
    const { streams } = this.connection.manager;
    const ask = () => streams.info(eventStream);
    return (await retrying('asking for the last event', this.patience, ask)).state.last_seq;
  }

  private async appendWhole(prepared: readonly Prepared[], causationId: string) {
    try {
      return await this.publish(prepared);
    } catch (error) {
      if (!isConflict(error)) throw error;
      return this.explainConflict(prepared, causationId);
    }
  }

  private async publish(prepared: readonly Prepared[]): Promise<RecordedEvent[]> {
    const groups = prepared.map(({ append, pending }) => ({
      expectedSequence: append.expected.sequence,
      messages: pending.map(messageOf),
    }));
    const all = prepared.flatMap(({ pending }) => pending);
    const [first] = groups;
    const only = all.length === 1 ? first?.messages[0] : undefined;
    const firstSequence =
      first && only
        ? await publishOne(this.connection.client, only, first.expectedSequence, this.patience)
        : await publishAtomically(this.connection.nats, groups, this.patience, this.batches);
    return all.map((pending, index) => recordedAs(pending, firstSequence + index));
  }

  /** A repetition when the events are there, whoever appended after them. Reads what is new. */
  private async explainConflict(prepared: readonly Prepared[], causationId: string) {
    const since: RecordedEvent[] = [];
    for (const { aggregate, expected } of prepared.map(({ append }) => append)) {
      since.push(...(await this.read(aggregate, expected.sequence)));
    }
    const own = eventsCausedBy(causationId, since);
    if (own.length > 0) return own;
    const before = since.length === 0 ? await this.eventsOf(prepared, causationId) : [];
    if (before.length > 0) return before;
    const found = prepared.find(({ append }) => since.some(isOf(append.aggregate)));
    const { aggregate, expected } = (found ?? (prepared[0] as Prepared)).append;
    throw new VersionConflict(aggregate, expected);
  }

  /** Without atomic batches: one by one; what a crash cuts short, the repetition completes. */
  private async appendInTurn(append: AggregateAppend, pending: readonly PendingEvent[]) {
    const recorded: RecordedEvent[] = [];
    let expectedSequence = append.expected.sequence;
    for (const event of pending) {
      const next = await this.appendOneInTurn(append, event, expectedSequence);
      recorded.push(next);
      expectedSequence = next.sequence;
    }
    return recorded;
  }

  private async appendOneInTurn(append: AggregateAppend, event: PendingEvent, expected: number) {
    const { client } = this.connection;
    try {
      return recordedAs(event, await publishOne(client, messageOf(event), expected, this.patience));
    } catch (error) {
      if (!isConflict(error)) throw error;
      const present = (await this.read(append.aggregate)).find(({ id }) => id === event.id);
      if (!present) throw new VersionConflict(append.aggregate, append.expected);
      return present;
    }
  }

  /** Looks for a repetition where the server would not see it: the aggregate is as expected. */
  private async alreadyAppended(append: AggregateAppend, causationId: string) {
    const { aggregate, expected } = append;
    if (expected.sequence === 0) return [];
    const subject = subjects.aggregate(aggregate);
    if (this.recentCauses.has(subject, expected.sequence, causationId) === false) return [];
    return eventsCausedBy(causationId, await this.read(aggregate));
  }

  private isComplete(repeated: readonly RecordedEvent[], pending: readonly PendingEvent[]) {
    if (repeated.length === 0) return false;
    return this.capabilities.atomicAppend || repeated.length >= pending.length;
  }

  private async eventsOf(prepared: readonly Prepared[], causationId: string) {
    const own: RecordedEvent[] = [];
    for (const { append } of prepared) {
      own.push(...eventsCausedBy(causationId, await this.read(append.aggregate)));
    }
    return own;
  }

  /** What follows what is known of an aggregate, or all of it. */
  private remember(events: readonly RecordedEvent[], afterSequence = 0): void {
    const last = events.at(-1);
    if (!last) return;
    const causes = events.map((event) => event.context.causationId);
    const subject = subjects.aggregate(last.aggregate);
    if (events[0]?.version === 1) this.recentCauses.set(subject, last.sequence, causes);
    else this.recentCauses.extend(subject, afterSequence, last.sequence, causes);
  }

  private async watchConnection(): Promise<void> {
    for await (const status of this.connection.nats.status()) {
      if (status.type !== 'reconnect') continue;
      for (const reader of this.followers) reader.restart();
    }
  }
}

interface Prepared {
  readonly append: AggregateAppend;
  readonly pending: readonly PendingEvent[];
}

function recordedAs(pending: PendingEvent, sequence: number): RecordedEvent {
  return { ...pending, sequence } as RecordedEvent;
}

function isOf({ type, id }: AggregateId): (event: RecordedEvent) => boolean {
  return ({ aggregate }) => aggregate.type === type && aggregate.id === id;
}
