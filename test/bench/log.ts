import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { jetstream } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import type { DataSource } from 'typeorm';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import {
  cloudEventHeaders,
  type DomainEvent,
  event,
  JobType,
  NodeStatus,
  type PendingEvent,
  subjects,
  toCloudEvent,
} from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { postgresLeases } from '#libs/event-log/adapters/postgres-leases.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { ownerOf } from '#libs/event-log/event-owners.js';
import { type RunningProjection, runProjection } from '#libs/event-log/projection-runner.js';
import { openDatabase } from '#services/reporting/adapters/postgres/database.js';
import { readModels } from '#services/reporting/adapters/postgres/projections.js';
import { rebuildReadModels } from '#services/reporting/adapters/postgres/rebuild.js';
import { withLazyNats } from '../conformance/lazy-nats.js';
import { withNats, withPostgres } from '../support/servers.js';
import { measureReplicas } from './log-replicas.js';

/*
 * The event log: durable appends beside the bare client's, reading one aggregate out of many,
 * rebuilding the read models, and sharing them between replicas. Runs with more and more aggregates
 * of ten events each.
 */
const { values: options } = parseArgs({
  options: {
    appends: { type: 'string', default: '3000' },
    events: { type: 'string', default: '1000000' },
    reads: { type: 'string', default: '500' },
    'replica-events': { type: 'string', default: '200000' },
    json: { type: 'boolean', default: false },
  },
});
const inFlight = 64;
const rounds = 4;
const nodesPerRun = 3;
const eventsPerRun = 10;

const postgres = await withPostgres();
try {
  const append = await onServer(withNats, measureAppends);
  // Filling a server that syncs every message would take most of the bench's time.
  const read = await onServer(withLazyNats, async (log, connection, url) => {
    const database = await openDatabase(postgres.url);
    const live = keepUpToDate(log, database);
    try {
      await fill(log, connection, Math.floor(Number(options.events) / eventsPerRun));
      const rebuild = await measureRebuild(log, database, live);
      const readAggregateMs = await measureReads(log);
      await live.close();
      const end = await log.lastSequence();
      const events = Math.min(end, Number(options['replica-events']));
      return { readAggregateMs, rebuild, replicas: await measureReplicas(url, end, events) };
    } finally {
      await live.close();
      await database.destroy();
    }
  });
  report({ append, ...read });
} finally {
  await postgres.stop();
}

interface Server {
  readonly url: string;
  readonly monitorUrl?: string;
  readonly user?: string;
  readonly password?: string;
  stop(): Promise<void>;
}

async function onServer<T>(
  start: () => Promise<Server>,
  work: (log: EventLog, connection: NatsConnection, url: string) => Promise<T>,
): Promise<T> {
  const { url, monitorUrl, user, password, stop } = await start();
  const connection = await connect({ servers: url, ...(user ? { user, pass: password } : {}) });
  try {
    const allowLazySync = start === withLazyNats;
    return await work(
      await openJetStreamLog(connection, { allowLazySync, monitorUrl }),
      connection,
      url,
    );
  } finally {
    await connection.close();
    await stop();
  }
}

/** Both sides in turn, several times, so that a noisy moment meets both. */
async function measureAppends(log: EventLog, connection: NatsConnection) {
  const count = Number(options.appends);
  const totals = { own: 0, bare: 0 };
  for (let round = 0; round < rounds; round++) {
    const own = (index: number) => appendOne(log, `own-${round}-${index}`);
    const bare = (index: number) => publishBare(connection, `bare-${round}-${index}`);
    totals.own += await timed(() => concurrently(count / rounds, own));
    totals.bare += await timed(() => concurrently(count / rounds, bare));
  }
  const perSecond = (durationMs: number) => Math.round((1_000 * count) / durationMs);
  const [eventsPerS, bareEventsPerS] = [perSecond(totals.own), perSecond(totals.bare)];
  const ratio = eventsPerS / bareEventsPerS;
  return { count, inFlight, eventsPerS, bareEventsPerS, ratio };
}

async function appendOne(log: EventLog, runId: string): Promise<void> {
  const context = { actor: 'bench', correlationId: runId, causationId: runId };
  await log.append({ type: 'run', id: runId }, noEvents, [requested(runId)], context, 0);
}

/** What the client does when it is given the same bytes, headers and expectation. */
async function publishBare(nc: NatsConnection, runId: string): Promise<void> {
  const { subject, body, header } = encoded('run', runId, requested(runId), 1, 0);
  const expect = { lastSubjectSequence: 0 };
  await jetstream(nc).publish(subject, body, { msgID: `${runId}-1`, expect, headers: header });
}

/** The events of finished runs, without waiting for acknowledgements: only the reading is timed. */
async function fill(log: EventLog, connection: NatsConnection, runs: number): Promise<void> {
  say(`filling the log with ${runs * eventsPerRun} events`);
  for (let run = 0; run < runs; run++) {
    for (const { subject, body, header } of story(`run-${run}`)) {
      connection.publish(subject, body, { headers: header });
    }
    if (run % 500 === 0) await connection.flush();
  }
  while ((await log.lastSequence()) < runs * eventsPerRun) await sleep(systemClock, 100);
}

async function measureReads(log: EventLog) {
  const count = Number(options.reads);
  const runs = Math.floor(Number(options.events) / eventsPerRun);
  const latenciesMs: number[] = [];
  for (let read = 0; read < count; read++) {
    const id = `run-${(read * 7919) % runs}`;
    const startedMs = performance.now();
    await log.read({ type: 'run', id });
    latenciesMs.push(performance.now() - startedMs);
  }
  latenciesMs.sort((a, b) => a - b);
  const quantile = (share: number) => latenciesMs[Math.ceil(share * count) - 1] ?? 0;
  return { events: runs * eventsPerRun, reads: count, p50: quantile(0.5), p99: quantile(0.99) };
}

/** The read models as they were written while the log grew, and built anew beside them. */
async function measureRebuild(log: EventLog, database: DataSource, live: RunningProjection) {
  const end = await log.lastSequence();
  const startedMs = performance.now();
  await live.reaches(end, 600_000);
  const liveSeconds = (performance.now() - startedMs) / 1_000;
  say(`the live read models followed ${liveSeconds} s after the last event`);
  const { durationMs, equal } = await rebuildReadModels(database, log, systemClock);
  if (!equal) process.exitCode = 1;
  const eventsPerS = Math.round((1_000 * end) / durationMs);
  return { eventsPerS, equal, events: end, seconds: durationMs / 1_000 };
}

function keepUpToDate(log: EventLog, database: DataSource): RunningProjection {
  return runProjection(readModels, {
    log,
    clock: systemClock,
    leases: postgresLeases<typeof database.manager>(database),
    transaction: (work: (manager: typeof database.manager) => Promise<void>) =>
      database.transaction(work),
    holder: randomUUID(),
  });
}

function requested(runId: string): DomainEvent {
  return event('RunRequested', { runId, site: 'www', type: JobType.PUBLISH });
}

/** Ten events of one run in one segment. */
function story(runId: string) {
  const segment = 'paris';
  const names = Array.from({ length: nodesPerRun }, (_, index) => `paris-${index}`);
  const nodes = names.map((node) => ({ node, status: NodeStatus.SWITCHED, switchedAtMs: 1n }));
  const assignmentId = `www-${runId}`;
  const runEvents = [
    requested(runId),
    event('RunStarted', { runId, targets: [{ segment, nodes: names }] }),
    event('RunClosed', { runId, status: 'completed' }),
  ];
  const inSegment = { runId, segment, assignmentId, nodes };
  const others = [
    event('ChangeSetComputed', { runId, counts: { added: 1, files: 1 } }),
    event('AssignmentBuilt', { runId, assignmentId, site: 'www', sequence: 1n }),
    event('LeaderReceived', { runId, assignmentId, segment, bytes: 100n }),
    event('SegmentPrepared', inSegment),
    event('CommitIssued', { runId }),
    event('SegmentSwitched', inSegment),
    event('RunCompleted', { runId, durationMs: 5n }),
  ];
  return [
    ...runEvents.map((one, index) => encoded('run', runId, one, index + 1, index)),
    ...others.map((one, index) => encoded(ownerOf[one.type], runId, one, 1, 10 + index)),
  ];
}

function encoded(
  type: PendingEvent['aggregate']['type'],
  runId: string,
  happened: DomainEvent,
  version: number,
  index: number,
) {
  const aggregate = { type, id: runId };
  const context = { actor: 'bench', correlationId: runId, causationId: runId };
  const id = `${runId}:${index}`;
  const stored = toCloudEvent({ ...happened, id, aggregate, version, timeMs: 0, context });
  const header = headers();
  for (const [name, value] of Object.entries(cloudEventHeaders(stored))) header.set(name, value);
  return { subject: subjects.aggregate(aggregate), body: JSON.stringify(stored), header };
}

/** Runs `work` `count` times, `inFlight` at once. */
async function concurrently(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

function report(figures: object): void {
  const text = options.json ? JSON.stringify(figures) : JSON.stringify(figures, undefined, 2);
  process.stdout.write(`${text}\n`);
}

function say(step: string): void {
  process.stderr.write(`${step}\n`);
}
