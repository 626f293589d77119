import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { headers, type NatsConnection, nanos } from '@nats-io/nats-core';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { KeyedQueue, Slots } from './keyed-queue.js';
import { isPassing } from './passing-errors.js';

const ackWaitMs = 10_000;
const workingEveryMs = 3_000;
const pullExpiryMs = 60_000;
const messagesAhead = 64;
const unacknowledgedAtMost = 1000;
const sideBySide = 16;
const failuresBeforeParking = 10;
const firstPauseMs = 100;
const longestPauseMs = 30_000;

/** What a durable consumer does and needs. */
export interface DurableOptions {
  readonly nats: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stream: string;
  readonly name: string;
  readonly filterSubjects: readonly string[];
  /** Messages of one key are handled in order. */
  keyOf(message: JsMsg): string;
  /** Rejects when the message must be handled again. */
  handle(message: JsMsg): Promise<void>;
  /** What the logger says about a message. */
  describe(message: JsMsg): Record<string, unknown>;
}

/** A message that no repetition can mend. */
export class Unhandleable extends Error {
  override readonly name = 'Unhandleable';
}

/**
 * Hands a stream's messages to a handler, each until it succeeds: a failed one is tried again in
 * its place, with growing pauses, so that nothing of its key overtakes it. After ten failures that
 * are its own (not those of a server that is away) it goes to the dead letters.
 */
export class DurableConsumer {
  private readonly queue = new KeyedQueue();
  private readonly slots = new Slots(sideBySide);
  private readonly inHand = new Map<number, JsMsg>();
  private readonly sleepers = new Set<() => void>();
  private messages: ConsumerMessages | undefined;
  private cancelWorking: Cancel | undefined;
  private isStopping = false;
  private pulling: Promise<void> = Promise.resolve();
  /** False while the server does not serve this consumer. */
  isAttached = false;

  constructor(private readonly options: DurableOptions) {}

  get name(): string {
    return this.options.name;
  }

  /** Makes the consumer on the server and begins to pull. */
  async start(): Promise<void> {
    await this.ensure();
    this.isAttached = true;
    this.pulling = this.pullForEver();
  }

  /** Pulls anew: after a lost connection the server may have forgotten the pull. */
  restart(): void {
    this.messages?.stop();
    this.wakeSleepers();
  }

  /** Takes no more messages, finishes what it handles, gives back what it would try again. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.restart();
    await this.pulling;
    await this.queue.idle();
    this.cancelWorking?.();
  }

  private async pullForEver(): Promise<void> {
    for (let failures = 0; !this.isStopping; ) {
      try {
        const { client, stream, name } = this.options;
        const consumer = await client.consumers.get(stream, name);
        this.messages = await consumer.consume({
          max_messages: messagesAhead,
          expires: pullExpiryMs,
          abort_on_missing_resource: true,
        });
        this.isAttached = true;
        failures = 0;
        void giveUpWhenLost(this.messages);
        if (this.isStopping) this.messages.stop();
        for await (const message of this.messages) this.accept(message);
      } catch (error) {
        failures += 1;
        this.isAttached = false;
        if (this.isStopping || this.options.nats.isClosed()) return;
        this.options.logger.warn('consumer interrupted', { reason: reasonOf(error) });
        await this.ensure().catch(() => undefined);
      }
      await this.pause(Math.max(failures, 1));
    }
  }

  private accept(message: JsMsg): void {
    const { streamSequence } = message.info;
    if (this.isStopping) {
      message.nak();
      return;
    }
    if (this.inHand.has(streamSequence)) return;
    this.inHand.set(streamSequence, message);
    this.cancelWorking ??= this.scheduleWorking();
    this.queue.add(this.options.keyOf(message), async () => {
      await this.work(message).catch((error) => this.complain(message, error, 0));
      this.inHand.delete(streamSequence);
    });
  }

  private async work(message: JsMsg): Promise<void> {
    for (let failures = 0, attempts = 1; ; attempts++) {
      if (this.isStopping) return message.nak();
      try {
        await this.slots.use(() => this.options.handle(message));
        return message.ack();
      } catch (error) {
        if (!isPassing(error)) failures += 1;
        this.complain(message, error, attempts);
        const isHopeless = error instanceof Unhandleable || failures >= failuresBeforeParking;
        if (isHopeless && (await this.park(message, error, attempts))) return;
      }
      await this.pause(attempts);
    }
  }

  private complain(message: JsMsg, error: unknown, attempt: number): void {
    const { logger, describe } = this.options;
    logger.error('handler failed', {
      ...describe(message),
      reason: reasonOf(error),
      attempt,
      ...(error instanceof Error ? { stack: error.stack } : {}),
    });
  }

  /** Moves a message to the dead letters. @returns whether that worked */
  private async park(message: JsMsg, error: unknown, attempts: number): Promise<boolean> {
    const { client, logger, name, describe } = this.options;
    const { streamSequence, stream } = message.info;
    const about = headers();
    about.set('Espalier-Stream', stream);
    about.set('Espalier-Subject', message.subject);
    about.set('Espalier-Sequence', String(streamSequence));
    about.set('Espalier-Attempts', String(attempts));
    about.set('Espalier-Reason', encodeURIComponent(reasonOf(error)));
    try {
      const msgID = `dlq-${name}-${streamSequence}`;
      await client.publish(`dlq.${name}`, message.data, { headers: about, msgID });
    } catch (failure) {
      logger.error('dead letter not written', { reason: reasonOf(failure) });
      return false;
    }
    message.term('moved to the dead letters');
    logger.error('message moved to the dead letters', { ...describe(message), attempts });
    return true;
  }

  /** Tells the server that what is in hand is still being worked on. */
  private scheduleWorking(): Cancel {
    return this.options.clock.schedule(workingEveryMs, () => {
      this.cancelWorking = undefined;
      if (this.inHand.size === 0 || this.options.nats.isClosed()) return;
      for (const message of this.inHand.values()) message.working();
      this.cancelWorking = this.scheduleWorking();
    });
  }

  private async pause(failures: number): Promise<void> {
    if (this.isStopping) return;
    const durationMs = Math.min(firstPauseMs * 2 ** (failures - 1), longestPauseMs);
    let wake: () => void = () => undefined;
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const cancel = this.options.clock.schedule(durationMs, wake);
    this.sleepers.add(wake);
    await woken;
    cancel();
    this.sleepers.delete(wake);
  }

  private wakeSleepers(): void {
    for (const wake of this.sleepers) wake();
  }

  private async ensure(): Promise<void> {
    const { manager, stream, name, filterSubjects } = this.options;
    const wanted = { filter_subjects: [...filterSubjects].sort(), ack_wait: nanos(ackWaitMs) };
    if (await this.exists()) {
      await manager.consumers.update(stream, name, wanted);
      return;
    }
    await manager.consumers.add(stream, {
      ...wanted,
      durable_name: name,
      deliver_policy: DeliverPolicy.All,
      ack_policy: AckPolicy.Explicit,
      max_ack_pending: unacknowledgedAtMost,
      max_deliver: -1,
    });
  }

  private async exists(): Promise<boolean> {
    try {
      await this.options.manager.consumers.info(this.options.stream, this.options.name);
      return true;
    } catch (error) {
      const code = error instanceof JetStreamApiError ? error.code : undefined;
      if (code === JetStreamApiCodes.ConsumerNotFound) return false;
      throw error;
    }
  }
}

const lost = new Set(['heartbeats_missed', 'consumer_deleted', 'no_responders']);

/** Ends a pull that the server does not know any more, for the caller to begin another. */
async function giveUpWhenLost(messages: ConsumerMessages): Promise<void> {
  for await (const { type } of messages.status()) {
    if (lost.has(type)) messages.stop();
  }
}
