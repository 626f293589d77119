import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type AggregateId,
  type DomainEvent,
  type EventContext,
  event,
  partitionOf,
  type RecordedEvent,
} from '#libs/contracts/index.js';
import {
  type EventLog,
  type LogFilter,
  noEvents,
  VersionConflict,
} from '#libs/event-log/event-log.js';
import { MisplacedEvent } from '#libs/event-log/pending-events.js';

export interface LogUnderTest {
  readonly log: EventLog;
  close(): Promise<void>;
}

const timeMs = 1_700_000_000_123;
let serial = 0;

/** Names are new in every test, so that all tests of an adapter share one log. */
export const site = (name = `site-${++serial}`): AggregateId => ({ type: 'site', id: name });
export const group = (name = `group-${++serial}`): AggregateId => ({ type: 'group', id: name });
export const created = (name: string) => event('SiteCreated', { site: name, staging: '/srv' });
export const groupCreated = (name: string) => event('GroupCreated', { group: name, site: 'www' });
export const groupEdited = (name: string) => event('GroupEdited', { group: name });

export function cause(causationId = `cause-${++serial}`): EventContext {
  return { actor: 'test', correlationId: 'correlation', causationId };
}

export function headOf(events: readonly RecordedEvent[]) {
  const last = events.at(-1);
  return last ? { sequence: last.sequence, version: last.version } : noEvents;
}

export async function collect(source: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for await (const one of source) events.push(one);
  return events;
}

/** The first `count` events of a subscription. */
export async function take(log: EventLog, filter: LogFilter, count: number) {
  const subscription = log.subscribe(filter);
  const events: RecordedEvent[] = [];
  for await (const one of subscription) {
    events.push(one);
    if (events.length === count) await subscription.close();
  }
  return events;
}

/** What every event log does. */
export function eventLogSuite(name: string, open: () => Promise<LogUnderTest>): void {
  describe(`event log: ${name}`, () => {
    let tested: LogUnderTest;
    let log: EventLog;

    beforeAll(async () => {
      tested = await open();
      log = tested.log;
    });
    afterAll(() => tested?.close());

    const append = (aggregate: AggregateId, events: DomainEvent[], context = cause()) =>
      log.append(aggregate, noEvents, events, context, timeMs);

    appendTests(() => log, append);
    nameTests(() => log, append);
    repetitionTests(() => log, append);
    readTests(() => log, append);
    atomicTests(() => log, append);
  });
}

type Append = (
  aggregate: AggregateId,
  events: DomainEvent[],
  context?: EventContext,
) => Promise<RecordedEvent[]>;

function appendTests(log: () => EventLog, append: Append): void {
  it('gives back appended events as they can be read', async () => {
    const aggregate = group();
    const context = {
      ...cause(),
      traceparent: '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01',
    };
    const appended = await append(aggregate, [groupCreated('a'), groupEdited('a')], context);
    expect(appended.map(({ version }) => version)).toEqual([1, 2]);
    expect(appended[0]).toMatchObject({ type: 'GroupCreated', aggregate, timeMs, context });
    expect(await log().read(aggregate)).toEqual(appended);
  });

  it('has no events of an unknown aggregate', async () => {
    expect(await log().read(site())).toEqual([]);
  });

  it('appends nothing when there is nothing to append', async () => {
    const aggregate = site();
    expect(await append(aggregate, [])).toEqual([]);
    expect(await log().read(aggregate)).toEqual([]);
  });

  it('refuses an append to an aggregate that has changed', async () => {
    const aggregate = group();
    const first = await append(aggregate, [groupCreated('a')]);
    await expect(append(aggregate, [groupEdited('a')])).rejects.toThrow(VersionConflict);
    const edited = [groupEdited('a')];
    await log().append(aggregate, headOf(first), edited, cause(), timeMs);
    const stale = log().append(aggregate, headOf(first), edited, cause(), timeMs);
    await expect(stale).rejects.toThrow(VersionConflict);
    expect(await log().read(aggregate)).toHaveLength(2);
  });

  it('lets exactly one of many racing appends win', async () => {
    const aggregate = site();
    const racers = Array.from({ length: 20 }, () => append(aggregate, [created('raced')]));
    const outcomes = await Promise.allSettled(racers);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(VersionConflict);
    }
    expect(await log().read(aggregate)).toHaveLength(1);
  });

  it('refuses an event of another type of aggregate', async () => {
    await expect(append(site(), [groupCreated('a')])).rejects.toThrow(MisplacedEvent);
  });
}

function nameTests(log: () => EventLog, append: Append): void {
  it.each([
    'Zürich ☃ 東京',
    'a.b>c* d',
    '../up',
    'run-1/paris',
    '',
    'line\nbreak',
    'x'.repeat(200),
  ])('keeps aggregates apart and whole whatever their names: %j', async (name) => {
    const aggregate = { type: 'site', id: name } as const;
    const causation = `${name}-${++serial}`;
    const appended = await append(aggregate, [created(name)], cause(causation));
    const read = await log().read(aggregate);
    expect(read).toEqual(appended);
    expect(read[0]?.aggregate.id).toBe(name);
    expect(read[0]?.context.causationId).toBe(causation);
    expect(await log().read(site(`${name}.`))).toEqual([]);
  });
}

function repetitionTests(log: () => EventLog, append: Append): void {
  it('gives the same events when an append is repeated after a lost acknowledgement', async () => {
    const aggregate = group();
    const context = cause();
    const first = await append(aggregate, [groupCreated('a'), groupEdited('a')], context);
    const second = await append(aggregate, [groupCreated('a'), groupEdited('a')], context);
    expect(second).toEqual(first);
    expect(await log().read(aggregate)).toHaveLength(2);
  });

  it('gives the same events however much was appended since', async () => {
    const aggregate = group();
    const context = cause();
    const first = await append(aggregate, [groupCreated('a')], context);
    let head = headOf(first);
    for (let count = 0; count < 3; count++) {
      head = headOf(await log().append(aggregate, head, [groupEdited('a')], cause(), timeMs));
    }
    expect(await append(aggregate, [groupCreated('a')], context)).toEqual(first);
    const withPresentHead = log().append(aggregate, head, [groupCreated('a')], context, timeMs);
    expect(await withPresentHead).toEqual(first);
    expect(await log().read(aggregate)).toHaveLength(4);
  });

  it('tells one cause apart in several aggregates', async () => {
    const context = cause();
    const [one, other] = [site(), site()];
    const first = await append(one, [created('one')], context);
    const second = await append(other, [created('other')], context);
    expect(second[0]?.id).not.toBe(first[0]?.id);
    expect(await log().read(other)).toEqual(second);
  });
}

function readTests(log: () => EventLog, append: Append): void {
  it('replays in the order of appending, from a position', async () => {
    const start = await log().lastSequence();
    const appended: RecordedEvent[] = [];
    for (let count = 0; count < 10; count++) {
      appended.push(...(await append(site(), [created('ordered')])));
    }
    expect(await collect(log().replay({ afterSequence: start }))).toEqual(appended);
    const middle = appended[4]?.sequence as number;
    expect(await collect(log().replay({ afterSequence: middle }))).toEqual(appended.slice(5));
    expect(await log().lastSequence()).toBe(appended.at(-1)?.sequence);
  });

  it('ends a replay that finds nothing', async () => {
    const afterSequence = await log().lastSequence();
    expect(await collect(log().replay({ afterSequence }))).toEqual([]);
    await append(site(), [created('other')]);
    const filter = { afterSequence, aggregateTypes: ['node'] as const };
    expect(await collect(log().replay(filter))).toEqual([]);
  });

  it('subscribes to what is there and what comes', async () => {
    const afterSequence = await log().lastSequence();
    const before = await append(site(), [created('before')]);
    const taking = take(log(), { afterSequence }, 3);
    const later = await append(site(), [created('later')]);
    const last = await append(site(), [created('last')]);
    expect(await taking).toEqual([...before, ...later, ...last]);
  });

  it('ends a subscription that is closed while it waits', async () => {
    const subscription = log().subscribe({ afterSequence: await log().lastSequence() });
    const reading = collect(subscription);
    await subscription.close();
    expect(await reading).toEqual([]);
  });

  it('selects by type of aggregate and by partition', async () => {
    const afterSequence = await log().lastSequence();
    const sites = [site(), site(), site()];
    for (const aggregate of sites) await append(aggregate, [created('selected')]);
    const groups = await append(group(), [groupCreated('selected')]);
    const byType = await collect(log().replay({ afterSequence, aggregateTypes: ['group'] }));
    expect(byType).toEqual(groups);
    const partitions = [partitionOf('site', sites[1]?.id as string)];
    const byPartition = await collect(log().replay({ afterSequence, partitions }));
    expect(byPartition.map(({ aggregate }) => aggregate)).toContainEqual(sites[1]);
    for (const { aggregate } of byPartition) {
      expect(partitions).toContain(partitionOf(aggregate.type, aggregate.id));
    }
    expect(await take(log(), { afterSequence, aggregateTypes: ['group'] }, 1)).toEqual(groups);
    expect(await collect(log().replay({ afterSequence, partitions: [] }))).toEqual([]);
  });
}

function atomicTests(log: () => EventLog, append: Append): void {
  const both = (one: AggregateId, other: AggregateId) => [
    { aggregate: one, expected: noEvents, events: [created('one')] },
    { aggregate: other, expected: noEvents, events: [groupCreated('g'), groupEdited('g')] },
  ];

  it('appends to several aggregates at once', async () => {
    const [one, other] = [site(), group()];
    const recorded = await log().appendAtomically(both(one, other), cause(), timeMs);
    expect(recorded.map(({ version }) => version)).toEqual([1, 1, 2]);
    expect([...(await log().read(one)), ...(await log().read(other))]).toEqual(recorded);
  });

  it.each([0, 1])('appends nothing when aggregate %i of two has changed', async (changed) => {
    const aggregates = [site(), group()] as const;
    const events = [[created('first')], [groupCreated('first')]];
    await append(aggregates[changed] as AggregateId, events[changed] as DomainEvent[]);
    const appending = log().appendAtomically(both(...aggregates), cause(), timeMs);
    await expect(appending).rejects.toThrow(VersionConflict);
    expect(await log().read(aggregates[1 - changed] as AggregateId)).toEqual([]);
  });

  it('gives the same events when an atomic append is repeated', async () => {
    const [one, other] = [site(), group()];
    const context = cause();
    const first = await log().appendAtomically(both(one, other), context, timeMs);
    expect(await log().appendAtomically(both(one, other), context, timeMs)).toEqual(first);
    expect(await log().read(other)).toHaveLength(2);
  });
}
