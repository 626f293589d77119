import type { EventContext, RecordedEvent } from '#libs/contracts/index.js';
import type { AggregateAppend, EventLog } from '#libs/event-log/event-log.js';

/**
 * Appends to several aggregates: all or nothing, where the log can. Elsewhere in their order; what
 * a crash leaves undone, the repetition completes, or the next look at who holds a claim.
 */
export async function appendTogether(
  log: EventLog,
  appends: readonly AggregateAppend[],
  context: EventContext,
  timeMs: number,
): Promise<RecordedEvent[]> {
  const some = appends.filter(({ events }) => events.length > 0);
  if (log.capabilities.atomicAppend) return log.appendAtomically(some, context, timeMs);
  const recorded: RecordedEvent[] = [];
  for (const { aggregate, expected, events } of some) {
    recorded.push(...(await log.append(aggregate, expected, events, context, timeMs)));
  }
  return recorded;
}
