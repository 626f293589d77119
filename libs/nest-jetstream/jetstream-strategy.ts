import { fromBinary } from '@bufbuild/protobuf';
import { type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { defaultIfEmpty, isObservable, lastValueFrom } from 'rxjs';
import type { Clock } from '#libs/clock/clock.js';
import {
  type EventType,
  eventTypeOf,
  type IngressKind,
  SignedReportSchema,
  subjects,
} from '#libs/contracts/index.js';
import { eventOf } from '#libs/event-log/adapters/jetstream/stored-events.js';
import { eventStream, ingressStream } from '#libs/event-log/adapters/jetstream/streams.js';
import { ownerOf } from '#libs/event-log/event-owners.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { inSpanOf } from '#libs/telemetry/trace-context.js';
import type { Binding, Bindings } from './decorators.js';
import { DurableConsumer, type DurableOptions, Unhandleable } from './durable-consumer.js';
import { type Invoke, RequestServer } from './request-server.js';

export interface StrategyOptions {
  readonly service: string;
  readonly nats: NatsConnection;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Nest's transport for a service: events and reports from JetStream, requests from core NATS. */
export class JetStreamStrategy extends Server implements CustomTransportStrategy {
  override readonly propagatesEventHandlerErrors = true;
  private readonly consumers: DurableConsumer[] = [];
  private readonly requests: RequestServer;
  private stopping: Promise<void> | undefined;

  constructor(private readonly options: StrategyOptions) {
    super();
    this.requests = new RequestServer(options.nats, options.service, options.logger);
  }

  listen(callback: (error?: unknown) => void): void {
    this.start().then(() => callback(), callback);
  }

  /** Takes nothing new and finishes what is under way; the connection stays. */
  close(): Promise<void> {
    this.stopping ??= this.stop();
    return this.stopping;
  }

  /** Why the service does not do its work at present. */
  problems(): string[] {
    return this.consumers
      .filter(({ isAttached }) => !isAttached)
      .map(({ name }) => `consumer ${name} is not served by NATS`);
  }

  on(): void {
    throw new Error('this transport has no events of its own');
  }

  unwrap<T>(): T {
    return this.options.nats as T;
  }

  private async start(): Promise<void> {
    const events = new Map<EventType, Invoke>();
    const reports = new Map<IngressKind, Invoke>();
    for (const [pattern, handler] of this.messageHandlers) {
      const binding = (handler.extras as Bindings | undefined)?.[pattern];
      if (!binding) throw new Error(`${pattern} is not bound by a decorator of nest-jetstream`);
      this.register(binding, (payload, caller) => call(handler, payload, caller), events, reports);
    }
    if (events.size > 0) this.consumers.push(await this.eventConsumer(events));
    if (reports.size > 0) this.consumers.push(await this.reportConsumer(reports));
    await Promise.all(this.consumers.map((consumer) => consumer.start()));
    void this.watchConnection();
  }

  private register(
    binding: Binding,
    invoke: Invoke,
    events: Map<EventType, Invoke>,
    reports: Map<IngressKind, Invoke>,
  ): void {
    switch (binding.kind) {
      case 'event':
        events.set(binding.type, invoke);
        return;
      case 'ingress':
        reports.set(binding.report, invoke);
        return;
      case 'command':
      case 'request':
        this.requests.serve(binding, invoke);
    }
  }

  private eventConsumer(handlers: ReadonlyMap<EventType, Invoke>): Promise<DurableConsumer> {
    const owners = new Set([...handlers.keys()].map((type) => ownerOf[type]));
    return this.consumer({
      stream: eventStream,
      name: `${this.options.service}-events`,
      filterSubjects: [...owners].map((owner) => subjects.eventsOfType(owner)),
      describe: (message) => ({
        eventId: message.headers?.get('ce-id'),
        eventType: message.headers?.get('ce-type'),
        sequence: message.info.streamSequence,
      }),
      handle: async (message) => {
        const type = eventTypeOf(message.headers?.get('ce-type') ?? '');
        const invoke = type && handlers.get(type);
        if (!invoke) return;
        const event = decoded(() => eventOf(message.data, message.info.streamSequence));
        const attributes = { 'messaging.system': 'nats', 'messaging.message.id': event.id };
        await inSpanOf(event.context.traceparent, `process ${event.type}`, attributes, () =>
          invoke(event, undefined),
        );
      },
    });
  }

  private reportConsumer(handlers: ReadonlyMap<IngressKind, Invoke>): Promise<DurableConsumer> {
    return this.consumer({
      stream: ingressStream,
      name: `${this.options.service}-ingress`,
      filterSubjects: [...handlers.keys()].map((kind) => subjects.ingressOfKind(kind)),
      describe: ({ subject, info }) => ({ subject, sequence: info.streamSequence }),
      handle: async (message) => {
        const invoke = handlers.get(message.subject.split('.').at(-1) as IngressKind);
        if (!invoke) return;
        await invoke(
          decoded(() => fromBinary(SignedReportSchema, message.data)),
          undefined,
        );
      },
    });
  }

  private async consumer(
    options: Pick<DurableOptions, 'stream' | 'name' | 'filterSubjects' | 'describe' | 'handle'>,
  ): Promise<DurableConsumer> {
    const { nats, clock, logger } = this.options;
    return new DurableConsumer({
      ...options,
      nats,
      clock,
      logger: logger.with({ consumer: options.name }),
      client: jetstream(nats),
      manager: await jetstreamManager(nats),
      keyOf: (message: JsMsg) => message.subject,
    });
  }

  private async stop(): Promise<void> {
    await Promise.all([this.requests.stop(), ...this.consumers.map((consumer) => consumer.stop())]);
  }

  private async watchConnection(): Promise<void> {
    for await (const status of this.options.nats.status()) {
      if (status.type !== 'reconnect') continue;
      for (const consumer of this.consumers) consumer.restart();
    }
  }
}

/** Calls a handler as Nest wrapped it, and waits for all that it returns. */
async function call(handler: MessageHandler, payload: unknown, caller: unknown): Promise<unknown> {
  const result: unknown = await handler(payload, caller);
  return isObservable(result) ? lastValueFrom(result.pipe(defaultIfEmpty(undefined))) : result;
}

function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new Unhandleable('cannot be decoded', { cause });
  }
}
