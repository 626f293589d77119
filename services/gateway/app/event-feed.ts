import { type CloudEvent, type RecordedEvent, toCloudEvent } from '#libs/contracts/index.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { type EventFilter, EventSelection, type FeedEvent } from './event-filter.js';

/** What a reader of events wants. */
export interface FeedQuery extends EventFilter {
  /** Events after this log sequence. */
  readonly afterSequence: number;
  /** Whether to wait for events to come; the feed of a run ends with the run. */
  readonly follow: boolean;
}

/** Opens a feed; `close` ends it at once, also while it waits. */
export function openFeed(log: EventLog, query: FeedQuery) {
  const filter = { afterSequence: query.afterSequence, withStored: true };
  const subscription = query.follow ? log.subscribe(filter) : undefined;
  return {
    events: select(log, subscription ?? log.replay(filter), query),
    close: async () => subscription?.close(),
  };
}

async function* select(
  log: EventLog,
  events: AsyncIterable<RecordedEvent>,
  query: FeedQuery,
): AsyncGenerator<FeedEvent> {
  const selection = new EventSelection(query);
  if (query.site !== undefined && query.afterSequence > 0) {
    for await (const before of log.replay({ afterSequence: 0, aggregateTypes: ['run'] })) {
      if (before.sequence > query.afterSequence) break;
      selection.learn(feedEvent(before));
    }
  }
  for await (const event of events) {
    const seen = feedEvent(event);
    if (selection.wants(seen)) yield seen;
    const isOfRun = query.run !== undefined && runOf(event) === query.run;
    if (isOfRun && isLastOfRun(event)) return;
  }
}

/** As the log holds it; what cannot be read at all is left as text. */
function feedEvent(event: RecordedEvent): FeedEvent {
  const { stored, sequence } = event;
  if (stored === undefined) return { ...toCloudEvent(event), sequence };
  try {
    return { ...(JSON.parse(stored) as CloudEvent), sequence };
  } catch {
    return { id: event.id, type: '', data: stored, sequence } as FeedEvent;
  }
}

function runOf({ data }: RecordedEvent): string | undefined {
  return 'runId' in data ? data.runId : undefined;
}

function isLastOfRun({ type }: RecordedEvent): boolean {
  return type === 'RunClosed' || type === 'RunCancelled';
}
