import 'reflect-metadata';
import { rmSync } from 'node:fs';
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import pg from 'pg';
import { type EmbeddedNats, startNats } from '#deploy/embedded/nats.js';
import { type EmbeddedPostgres, startPostgres } from '#deploy/embedded/postgres.js';
import type { Supervised } from '#deploy/embedded/supervise.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import {
  ArchiveClosedRunsSchema,
  AuditedRunSchema,
  AuditRunQuerySchema,
  AuditVerdictSchema,
  AuditVerifyQuerySchema,
  DeadLettersListSchema,
  DeadLettersOfSchema,
  DeadLettersQuerySchema,
  DeadLettersRetriedSchema,
  type DomainEvent,
  event,
  ListQuerySchema,
  ListReplySchema,
  ReadModelsRebuiltSchema,
  RebuildReadModelsSchema,
  RunsArchivedSchema,
  StorageQuerySchema,
  StorageViewSchema,
  subjects,
} from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { ownerOf } from '#libs/event-log/event-owners.js';
import { type RunningService, startService } from '#libs/nest-jetstream/service.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { scratchDirectory } from '#test/support/servers.js';
import { until } from '#test/support/until.js';
import { definition } from './service.js';

const timeoutMs = 60_000;
const { NATS_URL, DATABASE_URL, ...env } = process.env;
let directory: string;
let server: Required<EmbeddedNats>;
let postgres: EmbeddedPostgres;
let nats: NatsConnection;
let log: EventLog;
let service: RunningService;
let client: ServiceClient;

beforeAll(async () => {
  directory = await scratchDirectory();
  server = (await startNats({ dataDir: directory, env })) as Required<EmbeddedNats>;
  postgres = await startPostgres({ dataDir: directory, env });
  const { url, user, password, monitorUrl } = server;
  nats = await connect({
    servers: url,
    user,
    pass: password,
    reconnectTimeWait: 100,
    maxReconnectAttempts: -1,
  });
  log = await openJetStreamLog(nats, { allowLazySync: false, monitorUrl });
  const config = {
    natsUrl: url,
    natsUser: user,
    natsPassword: password,
    natsMonitorUrl: monitorUrl,
    databaseUrl: postgres.url,
    httpHost: '127.0.0.1',
    httpPort: 0,
    dataDir: directory,
    allowLazySync: false,
  };
  service = await startService(definition, config, silentLogger);
  client = new ServiceClient(nats);
}, timeoutMs);

afterAll(async () => {
  await service.close();
  await nats.close();
  await postgres.close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
}, timeoutMs);

async function append(id: string, runId: string, happened: DomainEvent): Promise<number> {
  const aggregate = { type: ownerOf[happened.type], id };
  const { sequence, version } = (await log.read(aggregate)).at(-1) ?? noEvents;
  const causationId = `${id}-${happened.type}`;
  const context = { actor: 'cli:ann', correlationId: runId, causationId, reason: 'a test' };
  const [recorded] = await log.append(
    aggregate,
    { sequence, version },
    [happened],
    context,
    systemClock.nowMs(),
  );
  return recorded?.sequence ?? 0;
}

async function run(runId: string): Promise<number> {
  await append(runId, runId, event('RunRequested', { runId, site: 'www' }));
  await append(runId, runId, event('ChangeSetComputed', { runId, counts: { files: 1 } }));
  await append(runId, runId, event('RunCompleted', { runId, durationMs: 5n }));
  return append(runId, runId, event('RunClosed', { runId, status: 'completed' }));
}

function ask<Q extends DescMessage, R extends DescMessage>(
  name: string,
  query: Q,
  reply: R,
  given: MessageInitShape<Q>,
): Promise<MessageShape<R>> {
  const subject = subjects.command('reporting', name);
  return client.request(subject, query, reply, given, 30_000);
}

const verify = () => ask('AuditVerify', AuditVerifyQuerySchema, AuditVerdictSchema, {});
const ready = async () => (await fetch(`${service.url}/readyz`)).status;

async function runIds(atSequence: number): Promise<string[]> {
  const query = { kind: 'runs', atSequence: BigInt(atSequence) };
  const { list } = await ask('List', ListQuerySchema, ListReplySchema, query);
  return list.case === 'runs' ? list.value.runs.map((each) => each.runId) : [];
}

describe('reporting as a service', () => {
  it('rebuilds the read models beside the live ones, row for row', async () => {
    await run('r1');
    const last = await run('r2');
    expect(await runIds(last)).toHaveLength(2);
    const reply = ReadModelsRebuiltSchema;
    const rebuilt = await ask('RebuildReadModels', RebuildReadModelsSchema, reply, {});
    expect(rebuilt).toMatchObject({ equal: 'yes', sequence: BigInt(last) });
    expect((await runIds(await run('r3'))).sort()).toEqual(['r1', 'r2', 'r3']);
  });

  it('archives closed runs out of the stream; audits and rebuilds still have them', async () => {
    const query = { olderThanMs: 0n };
    const dry = { ...query, dryRun: true };
    const schemas = [ArchiveClosedRunsSchema, RunsArchivedSchema] as const;
    expect(await ask('ArchiveClosedRuns', ...schemas, dry)).toMatchObject({ runs: 3, file: '' });
    expect((await log.read({ type: 'run', id: 'r1' })).length).toBe(2);
    const archived = await ask('ArchiveClosedRuns', ...schemas, query);
    expect(archived).toMatchObject({ runs: 3, events: 12 });
    expect(await log.read({ type: 'run', id: 'r1' })).toEqual([]);
    expect(await verify()).toMatchObject({ sound: true, events: 12 });
    const replayed = await ask('AuditRun', AuditRunQuerySchema, AuditedRunSchema, { runId: 'r2' });
    expect(replayed.timeline.map(({ type, reason }) => [type, reason])).toEqual([
      ['RunRequested', 'a test'],
      ['ChangeSetComputed', 'a test'],
      ['RunCompleted', 'a test'],
      ['RunClosed', 'a test'],
    ]);
    const reply = ReadModelsRebuiltSchema;
    const rebuilt = await ask('RebuildReadModels', RebuildReadModelsSchema, reply, {});
    expect(rebuilt.equal).not.toBe('no');
    expect(await runIds(await run('r4'))).toHaveLength(4);
    const storage = await ask('Storage', StorageQuerySchema, StorageViewSchema, {});
    expect(storage).toMatchObject({ archiveFiles: 1, archivedEvents: 12 });
    expect(storage.streams.find(({ stream }) => stream === 'EVENTS')?.messages).toBe(4);
    expect(await verify()).toMatchObject({ sound: true, events: 16 });
  });

  it('parks a damaged event and what follows of its aggregate; ignores the future', async () => {
    const subject = (id: string) => subjects.aggregate({ type: 'run', id });
    const stored = (id: string, type: string, data: object) =>
      JSON.stringify({
        specversion: '1.0',
        id: `${id}-${type}`,
        source: '/espalier/run',
        type: `espalier.${type}`,
        subject: id,
        time: '2026-01-01T00:00:00.000Z',
        data,
        actor: 'test',
        correlationid: id,
        causationid: id,
        aggregatetype: 'run',
        aggregateversion: 1,
      });
    const publish = (id: string, type: string, data: object) =>
      jetstream(nats).publish(subject(id), stored(id, type, data));
    await publish('bad', 'v1.RunRequested', { runId: 5 });
    await publish('bad', 'v1.RunRequested', { runId: 'bad', site: 'www' });
    await publish('new', 'v9.RunTeleported', { runId: 'new' });
    const last = await run('r5');
    expect(await runIds(last)).toContain('r5');
    const schemas = [DeadLettersQuerySchema, DeadLettersListSchema] as const;
    const { deadLetters } = await ask('ParkedEvents', ...schemas, {});
    expect(deadLetters).toMatchObject([
      { consumer: 'read-models-1', aggregate: 'run.bad', letters: 2 },
    ]);
    const query = { consumer: 'read-models-1', aggregate: 'run.bad' };
    const retry = [DeadLettersOfSchema, DeadLettersRetriedSchema] as const;
    const retried = await ask('RetryParkedEvents', ...retry, query);
    expect(retried).toMatchObject({ handled: 0, problem: expect.stringContaining('malformed') });
    expect(await verify()).toMatchObject({ sound: true });
  });

  it(
    'is red within 5 s of losing PostgreSQL, and green when it is back',
    async () => {
      expect(await ready()).toBe(200);
      await postgres.close();
      const quick = { timeoutMs: 5_000 };
      await until('it is red', async () => (await ready()) === 503, quick);
      postgres = await startPostgres({ dataDir: directory, env });
      await until('it is green', async () => (await ready()) === 200);
      expect(await runIds(await run('r6'))).toContain('r6');
    },
    timeoutMs,
  );

  it(
    'is red within 5 s of losing its partitions, and green when it has them again',
    async () => {
      const database = new pg.Client({ connectionString: postgres.url });
      await database.connect();
      await database.query(`update partition_lease set holder = 'thief',
        fencing_token = fencing_token + 1, expires_at = now() + interval '8 seconds'`);
      await database.end();
      await until('it is red', async () => (await ready()) === 503, { timeoutMs: 5_500 });
      expect((await service.readiness()).reasons.join()).toMatch(/lacks partitions/);
      await until('it is green', async () => (await ready()) === 200);
    },
    timeoutMs,
  );

  it(
    'is red within 5 s of losing NATS, and green when it is back',
    async () => {
      const supervised = (server as unknown as { server: Supervised }).server;
      await supervised.stop('SIGKILL');
      await until('it is red', async () => (await ready()) === 503, { timeoutMs: 5_000 });
      await supervised.start();
      await until('it is green', async () => (await ready()) === 200);
    },
    timeoutMs,
  );

  it('names the first event of which the copy in PostgreSQL was changed', async () => {
    const last = await run('r7');
    expect(await verify()).toMatchObject({ sound: true });
    const database = new pg.Client({ connectionString: postgres.url });
    await database.connect();
    const flip = (sequence: number) =>
      database.query(
        `update event_copy set body = overlay(body placing
          chr(ascii(substr(body, 40, 1)) # 1) from 40 for 1) where sequence = $1`,
        [sequence],
      );
    await flip(last - 1);
    const verdict = await verify();
    expect(verdict).toMatchObject({ sound: false, firstBadSequence: BigInt(last - 1) });
    await flip(last - 1);
    expect(await verify()).toMatchObject({ sound: true });
    await database.end();
  });
});
