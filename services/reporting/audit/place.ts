import type { LogPlace, RecordedEvent } from '#libs/contracts/index.js';
import type { EventLog, LogFilter } from '#libs/event-log/event-log.js';

/** Whether an event is at or before a place in the log; no place is the end. */
export function isBefore(event: RecordedEvent, at: LogPlace | undefined): boolean {
  if (at && at.sequence > 0n) return BigInt(event.sequence) <= at.sequence;
  if (at && at.timeMs > 0n) return BigInt(event.timeMs) <= at.timeMs;
  return true;
}

/**
 * The events up to a place. By time, later events are looked at too: the clocks of two services may
 * differ by a little, and an event belongs to its own time.
 */
export async function* eventsUpTo(
  log: EventLog,
  at: LogPlace | undefined,
  filter: Omit<LogFilter, 'afterSequence'> = {},
): AsyncGenerator<RecordedEvent> {
  for await (const event of log.replay({ afterSequence: 0, ...filter })) {
    if (isBefore(event, at)) yield event;
    else if (at && at.sequence > 0n) return;
  }
}
