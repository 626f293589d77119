import { fromBinary } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/nats-core';
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import type { Attributes } from '@opentelemetry/api';
import { defaultIfEmpty, isObservable, lastValueFrom } from 'rxjs';
import type { Clock } from '#libs/clock/clock.js';
import {
  type AggregateId,
  type CloudEvent,
  type EventType,
  eventTypeOf,
  fromCloudEvent,
  type IngressKind,
  type RecordedEvent,
  SignedReportSchema,
  subjects,
  upcast,
} from '#libs/contracts/index.js';
import { eventStream, ingressStream } from '#libs/event-log/adapters/jetstream/streams.js';
import { ownerOf } from '#libs/event-log/event-owners.js';
import { allPartitions } from '#libs/event-log/fair-share.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { inSpanOf } from '#libs/telemetry/trace-context.js';
import type { Binding, Bindings } from './decorators.js';
import { Unhandleable } from './durable-consumer.js';
import { type Invoke, RequestServer } from './request-server.js';
import { type LaneSource, ServiceLanes } from './service-lanes.js';

/** The events of a service are read in so many lanes: at most so many replicas share them. */
const eventLanes = 8;
const decoder = new TextDecoder();

export interface StrategyOptions {
  readonly service: string;
  readonly nats: NatsConnection;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What of the log this replica of its service reads at present; the others read the rest. */
export interface OwnLanes {
  /** Whether events of the aggregate are handled here; of two replicas both say no at times. */
  reads(aggregate: AggregateId): boolean;
}

/** Nest's transport for a service: events and reports from JetStream, requests from core NATS. */
export class JetStreamStrategy extends Server implements CustomTransportStrategy, OwnLanes {
  override readonly propagatesEventHandlerErrors = true;
  private readonly requests: RequestServer;
  private lanes: ServiceLanes | undefined;
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
    return this.lanes?.problems() ?? [];
  }

  /** Lanes that this replica reads now. */
  get laneCount(): number {
    return this.lanes?.count ?? 0;
  }

  reads(aggregate: AggregateId): boolean {
    return this.lanes?.reads(subjects.aggregate(aggregate)) ?? false;
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
    const sources = [
      ...(events.size > 0 ? [eventSource(this.options.service, events)] : []),
      ...(reports.size > 0 ? [reportSource(this.options.service, reports)] : []),
    ];
    if (sources.length === 0) return;
    this.lanes = await ServiceLanes.start({ ...this.options, sources });
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

  private async stop(): Promise<void> {
    await Promise.all([this.requests.stop(), this.lanes?.stop()]);
  }
}

/** The events of a service, shared out by the partition of their aggregate. */
function eventSource(service: string, handlers: ReadonlyMap<EventType, Invoke>): LaneSource {
  const owners = [...new Set([...handlers.keys()].map((type) => ownerOf[type]))];
  return {
    stream: eventStream,
    name: `${service}-events`,
    lanes: eventLanes,
    parksFollowers: true,
    filterSubjects: (lane) =>
      owners.flatMap((owner) =>
        partitionsOfLane(lane).map((partition) => `ev.${owner}.*.${partition}`),
      ),
    laneOf: (subject) => Number(subject.split('.').at(-1)) % eventLanes,
    describe: ({ subject, streamSequence }) => ({ subject, sequence: streamSequence }),
    handle: async ({ data, streamSequence }) => {
      const stored = decoded(() => JSON.parse(decoder.decode(data)) as CloudEvent);
      const type = eventTypeOf(upcast(stored).type);
      const invoke = type && handlers.get(type);
      // A type that nobody here handles, or of a later version: not for this service.
      if (!invoke) return;
      const event = decoded(() => fromCloudEvent(stored, streamSequence));
      await inSpanOf(event.context.traceparent, `process ${event.type}`, spanOf(event), () =>
        invoke(event, undefined),
      );
    },
  };
}

/** The reports of leaders: their order is that of their leader, one replica takes all. */
function reportSource(service: string, handlers: ReadonlyMap<IngressKind, Invoke>): LaneSource {
  return {
    stream: ingressStream,
    name: `${service}-ingress`,
    lanes: 1,
    parksFollowers: false,
    filterSubjects: () => [...handlers.keys()].map((kind) => subjects.ingressOfKind(kind)),
    laneOf: () => 0,
    describe: ({ subject, streamSequence }) => ({ subject, sequence: streamSequence }),
    handle: async ({ subject, data }) => {
      const invoke = handlers.get(subject.split('.').at(-1) as IngressKind);
      if (!invoke) return;
      await invoke(
        decoded(() => fromBinary(SignedReportSchema, data)),
        undefined,
      );
    },
  };
}

function spanOf({ id, type, context }: RecordedEvent): Attributes {
  return {
    'messaging.system': 'nats',
    'messaging.operation.type': 'process',
    'messaging.message.id': id,
    'espalier.event.type': type,
    'espalier.correlation.id': context.correlationId,
  };
}

function partitionsOfLane(lane: number): number[] {
  return allPartitions.filter((partition) => partition % eventLanes === lane);
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
