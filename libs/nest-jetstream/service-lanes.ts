import { randomUUID } from 'node:crypto';
import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import type { Clock } from '#libs/clock/clock.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { observeSeconds } from '#libs/telemetry/metrics.js';
import type { Delivery } from './dead-letters.js';
import { DurableConsumer } from './durable-consumer.js';
import { LaneHolder } from './lane-holder.js';

/** A consumer of a service, read in lanes: each by one replica at a time. */
export interface LaneSource {
  readonly stream: string;
  /** Of the consumer and of its dead letters; each lane's consumer adds its number. */
  readonly name: string;
  readonly lanes: number;
  /** Events wait behind a dead letter of their aggregate; reports stand for themselves. */
  readonly parksFollowers: boolean;
  filterSubjects(lane: number): string[];
  laneOf(subject: string): number;
  handle(message: Delivery): Promise<void>;
  describe(message: Delivery): Record<string, unknown>;
}

export interface ServiceLanesOptions {
  readonly nats: NatsConnection;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly service: string;
  readonly sources: readonly LaneSource[];
}

/** What the holder of an aggregate's lane answers who wants its dead letters tried again. */
export interface RetryAnswer {
  readonly handled: number;
  /** Why the next one failed again; empty when none is left. */
  readonly problem: string;
}

/** Asks the holder of an aggregate's lane to handle its dead letters. */
export function retrySubject(consumer: string): string {
  return `dlqretry.${consumer}`;
}

/** All lanes of a service, of which this replica reads its share. */
export class ServiceLanes {
  private readonly consumers = new Map<number, DurableConsumer>();
  private readonly places: readonly { readonly source: LaneSource; readonly lane: number }[];
  private readonly holder: LaneHolder;
  private readonly retries: Subscription[];

  private constructor(
    private readonly options: ServiceLanesOptions,
    private readonly manager: JetStreamManager,
  ) {
    const { nats, sources } = options;
    this.places = sources.flatMap((source) =>
      Array.from({ length: source.lanes }, (_, lane) => ({ source, lane })),
    );
    this.holder = new LaneHolder({
      ...options,
      manager,
      replica: randomUUID(),
      lanes: this.places.length,
      start: (place) => this.startLane(place),
      stop: (place) => this.stopLane(place),
    });
    this.retries = sources.map((source) =>
      nats.subscribe(retrySubject(source.name), {
        callback: (error, message) => {
          if (!error) this.retry(source, message.string(), (text) => message.respond(text));
        },
      }),
    );
  }

  static async start(options: ServiceLanesOptions): Promise<ServiceLanes> {
    const manager = await jetstreamManager(options.nats);
    const lanes = new ServiceLanes(options, manager);
    for (const source of options.sources) await lanes.ensure(source);
    await lanes.holder.start();
    void lanes.watchConnection();
    return lanes;
  }

  problems(): string[] {
    const lease = this.holder.problem();
    const detached = [...this.consumers.values()].filter(({ isAttached }) => !isAttached);
    return [
      ...(lease ? [lease] : []),
      ...detached.map(({ name }) => `consumer ${name} is not served by NATS`),
    ];
  }

  /** Whether the events of an aggregate are read here now. */
  reads(subject: string): boolean {
    const place = this.places.findIndex(
      ({ source, lane }) => source.parksFollowers && source.laneOf(subject) === lane,
    );
    return this.consumers.has(place);
  }

  /** Lanes that are read here now. */
  get count(): number {
    return this.consumers.size;
  }

  async stop(): Promise<void> {
    for (const subscription of this.retries) subscription.unsubscribe();
    await this.holder.stop();
  }

  /** The consumers of all lanes, from where the one before there were lanes had come to. */
  private async ensure(source: LaneSource): Promise<void> {
    const startSequence = await this.positionOf(source);
    for (const [place, { source: each, lane }] of this.places.entries()) {
      if (each === source) await this.consumer(place, each, lane, startSequence).ensure();
    }
    if (startSequence) await this.manager.consumers.delete(source.stream, source.name);
  }

  private async positionOf({ stream, name }: LaneSource): Promise<number | undefined> {
    try {
      const { ack_floor } = await this.manager.consumers.info(stream, name);
      return ack_floor.stream_seq + 1;
    } catch (error) {
      const code = error instanceof JetStreamApiError ? error.code : undefined;
      if (code === JetStreamApiCodes.ConsumerNotFound) return undefined;
      throw error;
    }
  }

  private consumer(place: number, source: LaneSource, lane: number, startSequence?: number) {
    const { nats, clock, logger } = this.options;
    const name = `${source.name}-${lane}`;
    return new DurableConsumer({
      nats,
      clock,
      logger: logger.with({ consumer: name, place }),
      client: jetstream(nats),
      manager: this.manager,
      stream: source.stream,
      name,
      deadLetters: source.name,
      parksFollowers: source.parksFollowers,
      filterSubjects: source.filterSubjects(lane),
      ...(startSequence ? { startSequence } : {}),
      handle: (message) => measured(source, message),
      describe: (message) => source.describe(message),
    });
  }

  private async startLane(place: number): Promise<void> {
    const found = this.places[place];
    if (!found || this.consumers.has(place)) return;
    const consumer = this.consumer(place, found.source, found.lane);
    await consumer.start();
    this.consumers.set(place, consumer);
  }

  private async stopLane(place: number): Promise<void> {
    const consumer = this.consumers.get(place);
    this.consumers.delete(place);
    await consumer?.stop();
  }

  /** Only the holder of the aggregate's lane does it, and answers. */
  private retry(source: LaneSource, subject: string, respond: (text: string) => void): void {
    const lane = source.laneOf(subject);
    const place = this.places.findIndex((each) => each.source === source && each.lane === lane);
    const consumer = this.consumers.get(place);
    if (!consumer) return;
    const answer = (handled: number, problem: string) =>
      respond(JSON.stringify({ handled, problem } satisfies RetryAnswer));
    void consumer.retry(subject).then(
      (handled) => answer(handled, ''),
      (error: unknown) => answer(0, reasonOf(error)),
    );
  }

  private async watchConnection(): Promise<void> {
    for await (const status of this.options.nats.status()) {
      if (status.type !== 'reconnect') continue;
      for (const consumer of this.consumers.values()) consumer.restart();
    }
  }
}

async function measured(source: LaneSource, message: Delivery): Promise<void> {
  const startedMs = performance.now();
  let outcome = 'failed';
  try {
    await source.handle(message);
    outcome = 'handled';
  } finally {
    const of = { consumer: source.name, outcome };
    const seconds = (performance.now() - startedMs) / 1_000;
    observeSeconds('message_handling', 'How long a message takes', seconds, of);
  }
}
