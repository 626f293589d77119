import { createHash } from 'node:crypto';
import {
  type AggregateId,
  type EventContext,
  type PendingEvent,
  type RecordedEvent,
  subjectToken,
} from '#libs/contracts/index.js';
import type { AggregateAppend } from './event-log.js';
import { ownerOf } from './event-owners.js';

/** More than this many events in one append are a mistake; also the limit of an atomic batch. */
export const maxEventsPerAppend = 1000;

const plainId = /^[\x21-\x7e]{1,120}$/;

/**
 * The id of the n-th event (from 1) that one cause makes in one aggregate. The same on every
 * repetition: that is what makes appends idempotent. Long or unprintable ones are hashed.
 */
export function eventIdOf(causationId: string, aggregate: AggregateId, n: number): string {
  const id = `${causationId}:${aggregate.type}.${subjectToken(aggregate.id)}:${n}`;
  return plainId.test(id) ? id : createHash('sha256').update(id).digest('hex');
}

/**
 * One aggregate's events as they will be recorded.
 * @throws MisplacedEvent, RangeError
 */
export function pendingEvents(
  append: AggregateAppend,
  context: EventContext,
  timeMs: number,
): PendingEvent[] {
  const { aggregate, expected, events } = append;
  if (events.length > maxEventsPerAppend) {
    throw new RangeError(`${events.length} events in one append; at most ${maxEventsPerAppend}`);
  }
  return events.map((event, index) => {
    if (ownerOf[event.type] !== aggregate.type) throw new MisplacedEvent(event.type, aggregate);
    return {
      ...event,
      id: eventIdOf(context.causationId, aggregate, index + 1),
      aggregate,
      version: expected.version + index + 1,
      timeMs,
      context,
    };
  });
}

/** What one cause has already recorded among an aggregate's events. */
export function eventsCausedBy(causationId: string, events: readonly RecordedEvent[]) {
  return events.filter((event) => event.context.causationId === causationId);
}

/** An event appended to an aggregate of another type: its consumers would never see it. */
export class MisplacedEvent extends Error {
  override readonly name = 'MisplacedEvent';
  constructor(type: keyof typeof ownerOf, aggregate: AggregateId) {
    super(`${type} belongs to a ${ownerOf[type]}, not to the ${aggregate.type} ${aggregate.id}`);
  }
}
