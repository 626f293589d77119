import { beforeEach, describe, expect, it } from '@jest/globals';
import { type DomainEvent, event } from '#libs/contracts/index.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { openFeed } from './event-feed.js';
import type { FeedEvent } from './event-filter.js';

let log: EventLog;
beforeEach(() => {
  log = memoryLog();
});

async function append(id: string, ...events: DomainEvent[]) {
  const head = (await log.read({ type: 'run', id })).at(-1) ?? noEvents;
  const context = {
    actor: 'test',
    correlationId: id,
    causationId: `cause-${id}-${head.version}`,
  };
  await log.append({ type: 'run', id }, head, events, context, 0);
}

const requested = (runId: string) => event('RunRequested', { runId });
const closed = (runId: string) => event('RunClosed', { runId });

async function typesOf(events: AsyncIterable<FeedEvent>): Promise<string[]> {
  const types: string[] = [];
  for await (const { type, correlationid } of events) types.push(`${correlationid} ${type}`);
  return types;
}

describe('the event feed', () => {
  it('gives what is in the log and ends, when it does not follow', async () => {
    await append('a', requested('a'));
    await append('b', requested('b'));
    const { events } = openFeed(log, { afterSequence: 0, follow: false });
    expect(await typesOf(events)).toEqual([
      'a espalier.v1.RunRequested',
      'b espalier.v1.RunRequested',
    ]);
  });

  it('starts after a place in the log', async () => {
    await append('a', requested('a'));
    const afterSequence = await log.lastSequence();
    await append('b', requested('b'));
    const { events } = openFeed(log, { afterSequence, follow: false });
    expect(await typesOf(events)).toEqual(['b espalier.v1.RunRequested']);
  });

  it('follows one run to its end', async () => {
    await append('a', requested('a'));
    const { events } = openFeed(log, { run: 'a', afterSequence: 0, follow: true });
    const types = typesOf(events);
    await append('b', requested('b'));
    await append('a', closed('a'));
    expect(await types).toEqual(['a espalier.v1.RunRequested', 'a espalier.v1.RunClosed']);
  });

  it('ends when it is closed while it waits', async () => {
    const feed = openFeed(log, { afterSequence: 0, follow: true });
    const types = typesOf(feed.events);
    await append('a', requested('a'));
    await feed.close();
    expect(await types).toEqual(expect.any(Array));
  });
});
