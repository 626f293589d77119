import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { type AggregateId, type EventContext, event } from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { LazySync } from '#libs/event-log/adapters/jetstream/server-checks.js';
import { ensureStreams, StreamMismatch } from '#libs/event-log/adapters/jetstream/streams.js';
import {
  type AggregateAppend,
  AtomicAppendUnsupported,
  type EventLog,
  LogUnavailable,
  noEvents,
  VersionConflict,
} from '#libs/event-log/event-log.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { type TestNats, withNats } from '../support/servers.js';
import {
  cause,
  collect,
  created,
  eventLogSuite,
  group,
  groupCreated,
  groupEdited,
  headOf,
  site,
  take,
} from './event-log-suite.js';
import { withLazyNats } from './lazy-nats.js';

eventLogSuite('memory', async () => ({ log: memoryLog(), close: async () => undefined }));

eventLogSuite('JetStream', async () => {
  const server = await withNats();
  const nats = await connectTo(server);
  const log = await openJetStreamLog(nats, {
    allowLazySync: false,
    monitorUrl: server.monitorUrl,
  });
  return {
    log,
    async close() {
      await nats.close();
      await server.stop();
    },
  };
});

function connectTo(server: Pick<TestNats, 'url'> & Partial<TestNats>): Promise<NatsConnection> {
  return connect({
    servers: server.url,
    user: server.user,
    pass: server.password,
    reconnectTimeWait: 50,
    maxReconnectAttempts: -1,
  });
}

describe('event log on JetStream, beside what every log does', () => {
  let server: TestNats;
  let nats: NatsConnection;
  let log: EventLog;

  beforeAll(async () => {
    server = await withNats();
    nats = await connectTo(server);
    log = await openJetStreamLog(nats, { allowLazySync: true });
  });
  afterAll(async () => {
    await nats.close();
    await server.stop();
  });

  it.each(['restart', 'kill'] as const)(
    'loses and repeats nothing in a subscription when the server ends by %s',
    async (how) => {
      const afterSequence = await log.lastSequence();
      const taking = take(log, { afterSequence }, 6);
      const names = ['1', '2', '3', '4', '5', '6'].map((name) => `${how}-${name}`);
      for (const [index, name] of names.entries()) {
        if (index === 3) {
          if (how === 'kill') await server.kill();
          await server.restart();
        }
        await log.append(site(name), noEvents, [created(name)], cause(), 1);
      }
      expect((await taking).map(({ aggregate }) => aggregate.id)).toEqual(names);
    },
  );

  it('reports a log that is away, and gives the same events when it is back', async () => {
    const impatient = await openJetStreamLog(nats, {
      allowLazySync: true,
      patience: { attemptTimeoutMs: 200, totalTimeoutMs: 300 },
    });
    const [aggregate, context] = [site(), cause()];
    await server.kill();
    const appending = impatient.append(aggregate, noEvents, [created('x')], context, 1);
    await expect(appending).rejects.toThrow(LogUnavailable);
    await server.restart();
    const first = await log.append(aggregate, noEvents, [created('x')], context, 1);
    expect(await log.append(aggregate, noEvents, [created('x')], context, 1)).toEqual(first);
    expect(await log.read(aggregate)).toEqual(first);
  });

  it('completes what a crash cut short without atomic batches', async () => {
    const plain = await openJetStreamLog(nats, { allowLazySync: true });
    Object.assign(plain.capabilities, { atomicAppend: false });
    const [aggregate, context] = [group(), cause()];
    const events = [groupCreated('g'), groupEdited('g'), groupEdited('g')];
    const [first] = await plain.append(aggregate, noEvents, events.slice(0, 1), context, 1);
    const whole = await plain.append(aggregate, noEvents, events, context, 1);
    expect(whole.map(({ version }) => version)).toEqual([1, 2, 3]);
    expect(whole[0]).toEqual(first);
    expect(await plain.append(aggregate, noEvents, events, context, 1)).toEqual(whole);
    expect(await plain.read(aggregate)).toEqual(whole);
    const atomically = plain.appendAtomically([], cause(), 1);
    await expect(atomically).rejects.toThrow(AtomicAppendUnsupported);
  });

  it('refuses a stream that would lose events', async () => {
    const manager = await jetstreamManager(nats);
    await manager.streams.update('INGRESS', { max_age: 3600 * 1_000_000_000 });
    const opening = openJetStreamLog(nats, { allowLazySync: true });
    await expect(opening).rejects.toThrow(StreamMismatch);
    await manager.streams.update('INGRESS', { max_age: 7 * 24 * 3600 * 1_000_000_000 });
    await ensureStreams(nats);
  });

  it('refuses a server that is not known to write before it acknowledges', async () => {
    const unknown = openJetStreamLog(nats, { allowLazySync: false });
    await expect(unknown).rejects.toThrow(LazySync);
    const strict = { allowLazySync: false, monitorUrl: server.monitorUrl };
    expect((await openJetStreamLog(nats, strict)).capabilities.durableAcknowledgement).toBe(true);
  });
});

describe('event log on a server that syncs lazily', () => {
  let server: Awaited<ReturnType<typeof withLazyNats>>;
  let nats: NatsConnection;

  beforeAll(async () => {
    server = await withLazyNats();
    nats = await connectTo(server);
  });
  afterAll(async () => {
    await nats.close();
    await server.stop();
  });

  it('is refused, with the remedy, unless the risk is accepted', async () => {
    const opening = openJetStreamLog(nats, { allowLazySync: false, monitorUrl: server.monitorUrl });
    await expect(opening).rejects.toMatchObject({
      name: 'LazySync',
      remedy: expect.stringContaining('--allow-lazy-sync'),
    });
    const log = await openJetStreamLog(nats, { allowLazySync: true });
    expect(log.capabilities.durableAcknowledgement).toBe(false);
  });

  it('keeps 100,000 events of 100 aggregates in order, by replay and by subscription', async () => {
    const log = await openJetStreamLog(nats, { allowLazySync: true });
    await fill(log);
    await expectAllInOrder(log);
  }, 180_000);
});

describe('a step over two aggregates', () => {
  let server: TestNats;
  let nats: NatsConnection;

  beforeAll(async () => {
    server = await withNats();
    nats = await connectTo(server);
  });
  afterAll(async () => {
    await nats.close();
    await server.stop();
  });

  const logs: [string, () => Promise<EventLog>][] = [
    ['memory', async () => memoryLog()],
    ['memory without atomic append', async () => memoryLog({ atomicAppend: false })],
    ['JetStream', () => openJetStreamLog(nats, { allowLazySync: true })],
    ['JetStream without atomic append', withoutAtomicAppend],
  ];

  async function withoutAtomicAppend(): Promise<EventLog> {
    const log = await openJetStreamLog(nats, { allowLazySync: true });
    Object.assign(log.capabilities, { atomicAppend: false });
    return log;
  }

  it.each(logs)('is made at once or compensated: %s', async (_, open) => {
    const log = await open();
    const [made, taken, free] = [group(), site(), site()];
    await log.append(taken, noEvents, [created('by somebody else')], cause(), 1);
    expect(await createGroupWithSite(log, made, taken)).toBe('refused');
    const left = (await log.read(made)).map(({ type }) => type);
    const compensated = ['GroupCreated', 'GroupDeleted'];
    expect(left).toEqual(log.capabilities.atomicAppend ? [] : compensated);
    expect(await createGroupWithSite(log, group(), free)).toBe('done');
    expect(await log.read(free)).toHaveLength(1);
  });
});

/** A process manager: both or neither, however the log can do it. */
async function createGroupWithSite(log: EventLog, made: AggregateId, its: AggregateId) {
  const context = cause();
  const appends = [
    { aggregate: made, expected: noEvents, events: [groupCreated(made.id)] },
    { aggregate: its, expected: noEvents, events: [created(its.id)] },
  ];
  try {
    if (log.capabilities.atomicAppend) {
      await log.appendAtomically(appends, context, 1);
      return 'done';
    }
    return await stepByStep(log, appends, context);
  } catch (error) {
    if (error instanceof VersionConflict) return 'refused';
    throw error;
  }
}

async function stepByStep(log: EventLog, appends: AggregateAppend[], context: EventContext) {
  const [first, second] = appends as [AggregateAppend, AggregateAppend];
  const made = await log.append(first.aggregate, first.expected, first.events, context, 1);
  try {
    await log.append(second.aggregate, second.expected, second.events, context, 1);
    return 'done';
  } catch (error) {
    if (!(error instanceof VersionConflict)) throw error;
    const undo = { ...context, causationId: `undo:${context.causationId}` };
    const deleted = [event('GroupDeleted', { group: first.aggregate.id })];
    await log.append(first.aggregate, headOf(made), deleted, undo, 1);
    return 'refused';
  }
}

describe('event log in memory', () => {
  it('keeps 100,000 events of 100 aggregates in order, by replay and by subscription', async () => {
    const log = memoryLog();
    await fill(log);
    await expectAllInOrder(log);
  });
});

const aggregates = 100;
const eventsEach = 1000;

async function fill(log: EventLog): Promise<void> {
  const lanes = Array.from({ length: 8 }, async (_, lane) => {
    for (let number = lane; number < aggregates; number += 8) {
      const name = `many-${number}`;
      const events = [
        groupCreated(name),
        ...Array.from({ length: eventsEach - 1 }, () => groupEdited(name)),
      ];
      await log.append(group(name), noEvents, events, cause(), 1);
    }
  });
  await Promise.all(lanes);
}

async function expectAllInOrder(log: EventLog): Promise<void> {
  const filter = { afterSequence: 0, aggregateTypes: ['group'] as const };
  const replayed = await collect(log.replay(filter));
  expect(replayed).toHaveLength(aggregates * eventsEach);
  const versions = new Map<string, number>();
  let last = 0;
  for (const { aggregate, version, sequence } of replayed) {
    if (sequence <= last) throw new Error(`sequence ${sequence} comes after ${last}`);
    last = sequence;
    const before = versions.get(aggregate.id) ?? 0;
    if (version !== before + 1) throw new Error(`${aggregate.id}: ${version} after ${before}`);
    versions.set(aggregate.id, version);
  }
  expect(versions.size).toBe(aggregates);
  const followed = await take(log, filter, replayed.length);
  expect(headOf(followed)).toEqual(headOf(replayed));
}
