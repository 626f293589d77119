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
import { type NatsConnection, nanos } from '@nats-io/nats-core';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { DeadLetters, type Delivery, followsParked, letterSubject } from './dead-letters.js';
import { KeyedQueue, Slots } from './keyed-queue.js';
import { isPassing } from './passing-errors.js';

/** Below the time after which a silent replica is dead: what it had in hand is then due again. */
const ackWaitMs = 2_500;
const workingEveryMs = 800;
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
  /** What its dead letters are filed under; the lanes of one consumer share it. */
  readonly deadLetters: string;
  /** Whether what follows a dead letter of its subject waits behind it, so that order is kept. */
  readonly parksFollowers: boolean;
  /** Where it begins when the server does not know it yet; from the first message unless given. */
  readonly startSequence?: number;
  /** Rejects when the message must be handled again. Those of one subject come in order. */
  handle(message: Delivery): Promise<void>;
  /** What the logger says about a message. */
  describe(message: Delivery): Record<string, unknown>;
}

/** A message that no repetition can mend. */
export class Unhandleable extends Error {
  override readonly name = 'Unhandleable';
}

/**
 * Hands a stream's messages to a handler, each until it succeeds: a failed one is tried again in
 * its place, with growing pauses, so that nothing of its subject overtakes it. After ten failures
 * that are its own (not those of a server that is away) it goes to the dead letters, and so does
 * all that follows of its subject (`parksFollowers`), until somebody has the letters tried again.
 */
export class DurableConsumer {
  private readonly letters: DeadLetters;
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

  constructor(private readonly options: DurableOptions) {
    const { client, manager, deadLetters } = options;
    this.letters = new DeadLetters(client, manager, deadLetters);
  }

  get name(): string {
    return this.options.name;
  }

  /** Makes the consumer on the server and begins to pull. */
  async start(): Promise<void> {
    await this.ensure();
    await this.letters.load();
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

  /**
   * Handles the dead letters of one aggregate, in their order, before anything that comes.
   * @returns how many
   * @throws what the handler throws
   */
  retry(subject: string): Promise<number> {
    const letters = letterSubject(this.options.deadLetters, subject);
    return new Promise((resolve, reject) => {
      this.queue.add(subject, async () => {
        await this.letters
          .drain(letters, (letter) => this.options.handle(letter))
          .then(resolve, reject);
      });
    });
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
    this.queue.add(message.subject, async () => {
      await this.work(message).catch((error) => this.complain(message, error, 0));
      this.inHand.delete(streamSequence);
    });
  }

  private async work(message: JsMsg): Promise<void> {
    const delivery = deliveryOf(message);
    if (this.options.parksFollowers && this.letters.isParked(message.subject)) {
      const isParked = await this.park(message, new Unhandleable(followsParked), 0);
      return isParked ? undefined : message.nak(firstPauseMs);
    }
    for (let failures = 0, attempts = 1; ; attempts++) {
      if (this.isStopping) return message.nak();
      try {
        await this.slots.use(() => this.options.handle(delivery));
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
      ...describe(deliveryOf(message)),
      reason: reasonOf(error),
      attempt,
      ...(error instanceof Error ? { stack: error.stack } : {}),
    });
  }

  /** Moves a message to the dead letters. @returns whether that worked */
  private async park(message: JsMsg, error: unknown, attempts: number): Promise<boolean> {
    const { logger, describe } = this.options;
    const delivery = deliveryOf(message);
    try {
      await this.letters.park(delivery, message.info.stream, error, attempts);
    } catch (failure) {
      logger.error('dead letter not written', { reason: reasonOf(failure) });
      return false;
    }
    message.term('moved to the dead letters');
    logger.error('message moved to the dead letters', { ...describe(delivery), attempts });
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

  /** Makes the consumer on the server, or brings it up to date. */
  async ensure(): Promise<void> {
    const { manager, stream, name, filterSubjects, startSequence } = this.options;
    const wanted = { filter_subjects: [...filterSubjects].sort(), ack_wait: nanos(ackWaitMs) };
    if (await this.exists()) {
      await manager.consumers.update(stream, name, wanted);
      return;
    }
    await manager.consumers.add(stream, {
      ...wanted,
      durable_name: name,
      ...(startSequence
        ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: startSequence }
        : { deliver_policy: DeliverPolicy.All }),
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

function deliveryOf({ subject, headers, data, info }: JsMsg): Delivery {
  return { subject, headers, data, streamSequence: info.streamSequence };
}

const lost = new Set(['heartbeats_missed', 'consumer_deleted', 'no_responders']);

/** Ends a pull that the server does not know any more, for the caller to begin another. */
async function giveUpWhenLost(messages: ConsumerMessages): Promise<void> {
  for await (const { type } of messages.status()) {
    if (lost.has(type)) messages.stop();
  }
}
