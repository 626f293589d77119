import { type CloudEvent, type RecordedEvent, toCloudEvent } from '#libs/contracts/index.js';
import type { EventLog } from '#libs/event-log/event-log.js';

/** What a reader of events wants. */
export interface FeedQuery {
  /** Only events of this run. */
  readonly runId?: string;
  /** Events after this log sequence. */
  readonly afterSequence: number;
  /** Whether to wait for events to come; the feed of a run ends with the run. */
  readonly follow: boolean;
}

/** An event as readers get it: a CloudEvent with its place in the log. */
export type FeedEvent = CloudEvent & { readonly sequence: number };

/** Opens a feed; `close` ends it at once, also while it waits. */
export function openFeed(log: EventLog, query: FeedQuery) {
  const filter = { afterSequence: query.afterSequence };
  const subscription = query.follow ? log.subscribe(filter) : undefined;
  return {
    events: select(subscription ?? log.replay(filter), query),
    close: async () => subscription?.close(),
  };
}

async function* select(
  events: AsyncIterable<RecordedEvent>,
  { runId }: FeedQuery,
): AsyncGenerator<FeedEvent> {
  for await (const event of events) {
    if (runId !== undefined && event.context.correlationId !== runId) continue;
    yield { ...toCloudEvent(event), sequence: event.sequence };
    if (runId !== undefined && isLastOfRun(event)) return;
  }
}

function isLastOfRun({ type }: RecordedEvent): boolean {
  return type === 'RunClosed' || type === 'RunCancelled';
}
