import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import type { CloudEvent } from './cloud-event.js';
import { eventCatalogue, eventTypeOf, wireName } from './event-catalogue.js';
import type { AggregateId, AggregateType, RecordedEvent } from './recorded-event.js';
import { upcast } from './upcasters.js';

/** An event before the log gave it a sequence. */
export type PendingEvent = Omit<RecordedEvent, 'sequence'>;

/** Thrown for stored bytes that are no event of this catalogue. */
export class UndecodableEvent extends Error {
  override readonly name = 'UndecodableEvent';
}

export function toCloudEvent(pending: PendingEvent): CloudEvent {
  const { context, aggregate } = pending;
  return {
    specversion: '1.0',
    id: pending.id,
    source: `/espalier/${aggregate.type}`,
    type: wireName(pending.type),
    subject: aggregate.id,
    time: new Date(pending.timeMs).toISOString(),
    datacontenttype: 'application/json',
    data: toJson(eventCatalogue[pending.type], pending.data as never) as JsonValue,
    actor: context.actor,
    correlationid: context.correlationId,
    causationid: context.causationId,
    aggregatetype: aggregate.type,
    aggregateversion: pending.version,
    ...(context.traceparent ? { traceparent: context.traceparent } : {}),
    ...(context.reason ? { reason: context.reason } : {}),
  };
}

/**
 * Decodes a stored event of any version up to this one. Fields that a later version added are
 * ignored.
 * @throws UndecodableEvent for an unknown type or malformed data.
 */
export function fromCloudEvent(given: CloudEvent, sequence: number): RecordedEvent {
  const stored = upcast(given);
  const type = eventTypeOf(stored.type);
  if (!type) throw new UndecodableEvent(`event ${stored.id} has the unknown type ${stored.type}`);
  const aggregate: AggregateId = {
    type: stored.aggregatetype as AggregateType,
    id: stored.subject,
  };
  try {
    const data = fromJson(eventCatalogue[type], stored.data, { ignoreUnknownFields: true });
    return {
      type,
      data,
      id: stored.id,
      aggregate,
      sequence,
      version: stored.aggregateversion,
      timeMs: Date.parse(stored.time),
      context: {
        actor: stored.actor,
        correlationId: stored.correlationid,
        causationId: stored.causationid,
        ...(stored.traceparent ? { traceparent: stored.traceparent } : {}),
        ...(stored.reason ? { reason: stored.reason } : {}),
      },
    } as RecordedEvent;
  } catch (cause) {
    throw new UndecodableEvent(`event ${stored.id} of type ${stored.type} is malformed`, { cause });
  }
}

/** The attributes repeated as NATS headers, for consumers that read headers only. */
export function cloudEventHeaders(stored: CloudEvent): Record<string, string> {
  return {
    'Content-Type': 'application/cloudevents+json',
    'ce-specversion': stored.specversion,
    'ce-id': stored.id,
    'ce-type': stored.type,
    'ce-source': stored.source,
    'ce-subject': stored.subject,
    'ce-time': stored.time,
    'ce-correlationid': stored.correlationid,
    ...(stored.traceparent ? { traceparent: stored.traceparent } : {}),
  };
}
