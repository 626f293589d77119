import {
  AckPolicy,
  type ConsumerInfo,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  ReplayPolicy,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/nats-core';
import {
  type AggregateType,
  fromSubjectToken,
  namesNoRun,
  partitionCount,
  partitionOfRows,
  type RecordedEvent,
  subjects,
} from '#libs/contracts/index.js';
import { reasonOf } from '#libs/telemetry/logger.js';
import { type LogFilter, LogUnavailable, type Passed } from '../../event-log.js';
import { anyEventOf } from './stored-events.js';
import { eventStream } from './streams.js';

const messagesAhead = 2000;
const pullExpiryMs = 60_000;
const forgetConsumerAfterMs = 5 * 60_000;
const longestPauseMs = 2000;
const lost = new Set(['heartbeats_missed', 'consumer_deleted', 'no_responders']);
const replayAttempts = 8;
const lookForDamageMs = 2_000;

/** What reads need of a connection. */
export interface LogConnection {
  readonly nats: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
}

/**
 * One ordered read: an ephemeral consumer, made anew after the last event that was read whenever
 * the server restarts, the connection is lost or a message is missing.
 */
export class OrderedReader<Item = RecordedEvent> {
  private isClosed = false;
  private messages: ConsumerMessages | undefined;
  private lastSequence: number;
  /** What the server has still to give, by its last word. */
  private pending = 0;
  /** Nothing is left that the server can give. */
  private isExhausted = false;
  private wakeFromPause: () => void = () => undefined;
  private looking: NodeJS.Timeout | undefined;

  constructor(
    private readonly connection: LogConnection,
    private readonly filter: LogFilter,
    /** Makes an item of a message. */
    private readonly itemOf: (message: JsMsg) => Item,
  ) {
    this.lastSequence = filter.afterSequence;
  }

  /** Reads on for ever, or until it has read all up to `lastSequence`. */
  async *read(until: { readonly lastSequence: number } | 'closed'): AsyncGenerator<Item> {
    for (let failures = 0; !this.isClosed; ) {
      const before = this.lastSequence;
      try {
        if ((yield* this.readOneConsumer(until)) === 'done') return;
      } catch (error) {
        if (this.connection.nats.isClosed()) throw error;
        failures = this.lastSequence > before ? 1 : failures + 1;
        if (until !== 'closed' && failures === replayAttempts) {
          throw new LogUnavailable(`reading the log failed (${reasonOf(error)})`, { cause: error });
        }
      }
      if (!this.isClosed) await this.pause(Math.min(20 * 2 ** failures, longestPauseMs));
    }
  }

  close(): void {
    this.isClosed = true;
    this.restart();
  }

  /** Ends the present consumer; `read` goes on with a new one unless closed. */
  restart(): void {
    this.messages?.stop();
    this.wakeFromPause();
  }

  private async *readOneConsumer(
    until: { readonly lastSequence: number } | 'closed',
  ): AsyncGenerator<Item, 'done' | 'interrupted'> {
    const info = await this.createConsumer();
    this.pending = info.num_pending;
    this.lookForDamage(info.name);
    try {
      if (until !== 'closed' && info.num_pending === 0) return 'done';
      this.messages = await this.startConsuming(info);
      if (this.isClosed) this.messages.stop();
      let delivered = 0;
      for await (const message of this.messages) {
        const { deliverySequence, streamSequence, pending } = message.info;
        delivered += 1;
        if (deliverySequence !== delivered) return 'interrupted';
        this.lastSequence = streamSequence;
        this.pending = pending;
        this.lookForDamage(info.name);
        yield this.itemOf(message);
        if (this.isClosed) return 'done';
        if (until !== 'closed' && (pending === 0 || streamSequence >= until.lastSequence)) {
          return 'done';
        }
      }
      return until !== 'closed' && this.isExhausted ? 'done' : 'interrupted';
    } finally {
      this.stopLooking();
      this.messages?.stop();
      this.connection.manager.consumers.delete(eventStream, info.name).catch(() => undefined);
    }
  }

  /**
   * The server gives no message whose checksum is wrong, and no later one either. One that it has
   * not given for a while is looked for, and passed over: `audit verify` names it.
   */
  private lookForDamage(consumer: string): void {
    if (this.looking || this.pending === 0) return;
    let before = this.lastSequence;
    this.looking = setInterval(() => {
      if (this.pending === 0) return this.stopLooking();
      const isStill = before === this.lastSequence;
      before = this.lastSequence;
      if (isStill) void this.passDamage(consumer).catch(() => undefined);
    }, lookForDamageMs);
  }

  private stopLooking(): void {
    clearInterval(this.looking);
    this.looking = undefined;
  }

  private async passDamage(consumer: string): Promise<void> {
    const from = this.lastSequence;
    const { manager } = this.connection;
    const { num_pending } = await manager.consumers.info(eventStream, consumer);
    const { state } = await manager.streams.info(eventStream);
    let damaged = from;
    while (damaged < state.last_seq && !(await this.isReadable(damaged + 1))) damaged += 1;
    if (this.lastSequence !== from || (damaged === from && num_pending > 0)) return;
    this.isExhausted = damaged >= state.last_seq || num_pending === 0;
    if (num_pending > 0) this.lastSequence = damaged;
    if (num_pending > 0 || this.isExhausted) this.messages?.stop();
  }

  private async isReadable(seq: number): Promise<boolean> {
    try {
      return (await this.connection.manager.streams.getMessage(eventStream, { seq })) !== null;
    } catch {
      return false;
    }
  }

  private createConsumer(): Promise<ConsumerInfo> {
    return this.connection.manager.consumers.add(eventStream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.lastSequence + 1,
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      inactive_threshold: nanos(forgetConsumerAfterMs),
      mem_storage: true,
      num_replicas: 1,
      filter_subjects: filterSubjects(this.filter),
    });
  }

  private async startConsuming(info: ConsumerInfo): Promise<ConsumerMessages> {
    const consumer = this.connection.client.consumers.getConsumerFromInfo(info);
    const messages = await consumer.consume({
      max_messages: messagesAhead,
      expires: pullExpiryMs,
      abort_on_missing_resource: true,
    });
    void this.watch(messages);
    return messages;
  }

  /** A consumer that falls silent or is gone is given up. */
  private async watch(messages: ConsumerMessages): Promise<void> {
    for await (const { type } of messages.status()) {
      if (lost.has(type)) messages.stop();
    }
  }

  private async pause(durationMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, durationMs);
      this.wakeFromPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Every message as an event. */
export function eventsOf({ withStored }: LogFilter): (message: JsMsg) => RecordedEvent {
  return ({ data, seq }) => anyEventOf(data, seq, withStored);
}

/** Messages of the filter's partitions as events, the places of the others: nothing is decoded. */
export function eventsOrPlaces(filter: LogFilter): (message: JsMsg) => RecordedEvent | Passed {
  const event = eventsOf(filter);
  const { partitions } = filter;
  if (!partitions || new Set(partitions).size === partitionCount) return event;
  const wanted = new Set(partitions);
  return (message) => {
    const [, type = '', token = ''] = message.subject.split('.');
    // Headers are decoded all at once, which takes longer than all else of what is passed over.
    const correlationId = namesNoRun.has(type) ? correlationOf(message) : '';
    const id = fromSubjectToken(token);
    const partition = partitionOfRows(type as AggregateType, id, correlationId);
    return wanted.has(partition) ? event(message) : { type: 'Passed', sequence: message.seq };
  };
}

function correlationOf({ headers }: JsMsg): string {
  return decodeURIComponent(headers?.get('ce-correlationid') ?? '');
}

/** The subjects that a filter selects. */
export function filterSubjects({ aggregateTypes, partitions }: LogFilter): string[] {
  const types = aggregateTypes ?? ['*'];
  const isWhole = !partitions || new Set(partitions).size === partitionCount;
  const tokens = isWhole ? ['>'] : partitions.map((partition) => `*.${partition}`);
  const selected = types.flatMap((type) => tokens.map((token) => `ev.${type}.${token}`));
  if (selected.length === 0) return ['ev.nothing'];
  return selected.length === 1 && selected[0] === 'ev.*.>' ? [subjects.events] : selected;
}
