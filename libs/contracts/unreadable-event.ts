import type { CloudEvent } from './cloud-event.js';
import { fromCloudEvent } from './cloud-events.js';
import type { AggregateType, RecordedEvent } from './recorded-event.js';

/** What stands in the place of an event that this version cannot read. */
export type UnreadableEvent = RecordedEvent & {
  readonly unreadable: {
    /** The type that it names; of a later version where no such type is known. */
    readonly wireType: string;
    readonly reason: string;
  };
};

/**
 * Decodes a stored event; one of a later version, or one that is damaged, becomes an event of a
 * type that nobody handles, so that one bad event stops no reader of the others.
 */
export function eventFromText(text: string, sequence: number): RecordedEvent {
  let stored: Partial<CloudEvent> = {};
  try {
    stored = JSON.parse(text) as CloudEvent;
    return fromCloudEvent(stored as CloudEvent, sequence);
  } catch (error) {
    return unreadable(stored, text, sequence, error);
  }
}

export function isUnreadable(event: RecordedEvent): event is UnreadableEvent {
  return 'unreadable' in event;
}

function unreadable(given: unknown, text: string, sequence: number, error: unknown): RecordedEvent {
  const stored = (typeof given === 'object' && given !== null ? given : {}) as Partial<CloudEvent>;
  return {
    type: 'Unreadable',
    data: {},
    id: stored.id ?? `sequence-${sequence}`,
    aggregate: {
      type: (stored.aggregatetype ?? 'unknown') as AggregateType,
      id: stored.subject ?? '',
    },
    sequence,
    version: stored.aggregateversion ?? 0,
    timeMs: Date.parse(stored.time ?? '') || 0,
    context: {
      actor: stored.actor ?? '',
      correlationId: stored.correlationid ?? '',
      causationId: stored.causationid ?? '',
    },
    stored: text,
    unreadable: {
      wireType: stored.type ?? '',
      reason: error instanceof Error ? error.message : String(error),
    },
  } as unknown as RecordedEvent;
}
