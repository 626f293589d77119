import {
  AckPolicy,
  type ConsumerInfo,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  ReplayPolicy,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/nats-core';
import {
  partitionCount,
  type RecordedEvent,
  subjects,
  UndecodableEvent,
} from '#libs/contracts/index.js';
import { reasonOf } from '#libs/telemetry/logger.js';
import { type LogFilter, LogUnavailable } from '../../event-log.js';
import { eventOf } from './stored-events.js';
import { eventStream } from './streams.js';

const messagesAhead = 1000;
const pullExpiryMs = 60_000;
const forgetConsumerAfterMs = 5 * 60_000;
const longestPauseMs = 2000;
const lost = new Set(['heartbeats_missed', 'consumer_deleted', 'no_responders']);
const replayAttempts = 8;

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
export class OrderedReader {
  private isClosed = false;
  private messages: ConsumerMessages | undefined;
  private lastSequence: number;
  private wakeFromPause: () => void = () => undefined;

  constructor(
    private readonly connection: LogConnection,
    private readonly filter: LogFilter,
  ) {
    this.lastSequence = filter.afterSequence;
  }

  /** Reads on for ever, or until it has read all up to `lastSequence`. */
  async *read(until: { readonly lastSequence: number } | 'closed'): AsyncGenerator<RecordedEvent> {
    for (let failures = 0; !this.isClosed; ) {
      const before = this.lastSequence;
      try {
        if ((yield* this.readOneConsumer(until)) === 'done') return;
      } catch (error) {
        if (error instanceof UndecodableEvent || this.connection.nats.isClosed()) throw error;
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
  ): AsyncGenerator<RecordedEvent, 'done' | 'interrupted'> {
    const info = await this.createConsumer();
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
        yield eventOf(message.data, streamSequence);
        if (this.isClosed) return 'done';
        if (until !== 'closed' && (pending === 0 || streamSequence >= until.lastSequence)) {
          return 'done';
        }
      }
      return 'interrupted';
    } finally {
      this.messages?.stop();
      this.connection.manager.consumers.delete(eventStream, info.name).catch(() => undefined);
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

/** The subjects that a filter selects. */
export function filterSubjects({ aggregateTypes, partitions }: LogFilter): string[] {
  const types = aggregateTypes ?? ['*'];
  const isWhole = !partitions || new Set(partitions).size === partitionCount;
  const tokens = isWhole ? ['>'] : partitions.map((partition) => `*.${partition}`);
  const selected = types.flatMap((type) => tokens.map((token) => `ev.${type}.${token}`));
  if (selected.length === 0) return ['ev.nothing'];
  return selected.length === 1 && selected[0] === 'ev.*.>' ? [subjects.events] : selected;
}
