import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import {
  ArchiveClosedRunsSchema,
  AuditedRunSchema,
  AuditRunQuerySchema,
  DeadLettersListSchema,
  DeadLettersOfSchema,
  DeadLettersQuerySchema,
  DeadLettersRetriedSchema,
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
import { OwnReporting } from '#test/support/own-reporting.js';
import { until } from '#test/support/until.js';

const timeoutMs = 60_000;
let own: OwnReporting;

beforeAll(async () => {
  own = await OwnReporting.start();
}, timeoutMs);
afterAll(() => own.close(), timeoutMs);

async function run(runId: string): Promise<number> {
  await own.append(event('RunRequested', { runId, site: 'www' }), runId);
  await own.append(event('ChangeSetComputed', { runId, counts: { files: 1 } }), runId);
  await own.append(event('RunCompleted', { runId, durationMs: 5n }), runId);
  return own.append(event('RunClosed', { runId, status: 'completed' }), runId);
}

async function runIds(atSequence: number): Promise<string[]> {
  const query = { kind: 'runs', atSequence: BigInt(atSequence) };
  const { list } = await own.ask('List', ListQuerySchema, ListReplySchema, query);
  return list.case === 'runs' ? list.value.runs.map((each) => each.runId) : [];
}

describe('reporting as a service', () => {
  it('rebuilds the read models beside the live ones, row for row', async () => {
    await run('r1');
    const last = await run('r2');
    expect(await runIds(last)).toHaveLength(2);
    const reply = ReadModelsRebuiltSchema;
    const rebuilt = await own.ask('RebuildReadModels', RebuildReadModelsSchema, reply, {});
    expect(rebuilt).toMatchObject({ equal: 'yes', sequence: BigInt(last) });
    expect((await runIds(await run('r3'))).sort()).toEqual(['r1', 'r2', 'r3']);
  });

  it('archives closed runs out of the stream; audits and rebuilds still have them', async () => {
    const query = { olderThanMs: 0n };
    const dry = { ...query, dryRun: true };
    const schemas = [ArchiveClosedRunsSchema, RunsArchivedSchema] as const;
    expect(await own.ask('ArchiveClosedRuns', ...schemas, dry)).toMatchObject({
      runs: 3,
      file: '',
    });
    expect((await own.log.read({ type: 'run', id: 'r1' })).length).toBe(2);
    const archived = await own.ask('ArchiveClosedRuns', ...schemas, query);
    expect(archived).toMatchObject({ runs: 3, events: 12 });
    expect(await own.log.read({ type: 'run', id: 'r1' })).toEqual([]);
    expect(await own.verify()).toMatchObject({ sound: true, events: 12 });
    const replayed = await own.ask('AuditRun', AuditRunQuerySchema, AuditedRunSchema, {
      runId: 'r2',
    });
    expect(replayed.timeline.map(({ type, reason }) => [type, reason])).toEqual([
      ['RunRequested', 'a test'],
      ['ChangeSetComputed', 'a test'],
      ['RunCompleted', 'a test'],
      ['RunClosed', 'a test'],
    ]);
    const reply = ReadModelsRebuiltSchema;
    const rebuilt = await own.ask('RebuildReadModels', RebuildReadModelsSchema, reply, {});
    expect(rebuilt.equal).not.toBe('no');
    expect(await runIds(await run('r4'))).toHaveLength(4);
    const storage = await own.ask('Storage', StorageQuerySchema, StorageViewSchema, {});
    expect(storage).toMatchObject({ archiveFiles: 1, archivedEvents: 12 });
    expect(storage.streams.find(({ stream }) => stream === 'EVENTS')?.messages).toBe(4);
    expect(await own.verify()).toMatchObject({ sound: true, events: 16 });
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
      jetstream(own.nats).publish(subject(id), stored(id, type, data));
    await publish('bad', 'v1.RunRequested', { runId: 5 });
    await publish('bad', 'v1.RunRequested', { runId: 'bad', site: 'www' });
    await publish('new', 'v9.RunTeleported', { runId: 'new' });
    const last = await run('r5');
    expect(await runIds(last)).toContain('r5');
    const schemas = [DeadLettersQuerySchema, DeadLettersListSchema] as const;
    const { deadLetters } = await own.ask('ParkedEvents', ...schemas, {});
    expect(deadLetters).toMatchObject([
      { consumer: 'read-models-1', aggregate: 'run.bad', letters: 2 },
    ]);
    const query = { consumer: 'read-models-1', aggregate: 'run.bad' };
    const retry = [DeadLettersOfSchema, DeadLettersRetriedSchema] as const;
    const retried = await own.ask('RetryParkedEvents', ...retry, query);
    expect(retried).toMatchObject({ handled: 0, problem: expect.stringContaining('malformed') });
    expect(await own.verify()).toMatchObject({ sound: true });
  });

  it('applies what was parked, in its order, once the cause is gone', async () => {
    await own.sql(`alter table run add constraint broken check (run_id <> 'r-parked')`);
    await run('r-parked');
    const query = { consumer: 'read-models-1', aggregate: 'run.r-parked' };
    await until('both events of the run are parked', async () => {
      const schemas = [DeadLettersQuerySchema, DeadLettersListSchema] as const;
      const { deadLetters } = await own.ask('ParkedEvents', ...schemas, {});
      return deadLetters.some(
        ({ aggregate, letters }) => aggregate === query.aggregate && letters === 2,
      );
    });
    const retry = () =>
      own.ask('RetryParkedEvents', DeadLettersOfSchema, DeadLettersRetriedSchema, query);
    expect(await retry()).toMatchObject({ handled: 0, problem: expect.stringContaining('broken') });
    await own.sql('alter table run drop constraint broken');
    expect(await retry()).toMatchObject({ handled: 2, problem: '' });
    expect(await runIds(await run('r-after'))).toContain('r-parked');
    expect(await retry()).toMatchObject({ handled: 0, problem: '' });
  });

  it(
    'is red within 5 s of losing PostgreSQL, and green when it is back',
    async () => {
      expect(await own.ready()).toBe(200);
      await own.stopPostgres();
      const quick = { timeoutMs: 5_000 };
      await until('it is red', async () => (await own.ready()) === 503, quick);
      await own.startPostgres();
      await until('it is green', async () => (await own.ready()) === 200);
      expect(await runIds(await run('r6'))).toContain('r6');
    },
    timeoutMs,
  );

  it(
    'is red within 5 s of losing its partitions, and green when it has them again',
    async () => {
      await own.sql(`update partition_lease set holder = 'thief',
        fencing_token = fencing_token + 1, expires_at = now() + interval '8 seconds'`);
      await until('it is red', async () => (await own.ready()) === 503, { timeoutMs: 5_500 });
      expect(await own.reasons()).toMatch(/lacks partitions/);
      await until('it is green', async () => (await own.ready()) === 200);
    },
    timeoutMs,
  );

  it(
    'is red within 5 s of losing NATS, and green when it is back',
    async () => {
      await own.natsServer.stop('SIGKILL');
      await until('it is red', async () => (await own.ready()) === 503, { timeoutMs: 5_000 });
      await own.natsServer.start();
      await until('it is green', async () => (await own.ready()) === 200);
    },
    timeoutMs,
  );

  it('names the first event of which the copy in PostgreSQL was changed', async () => {
    const last = await run('r7');
    expect(await own.verify()).toMatchObject({ sound: true });
    const flip = (sequence: number) =>
      own.sql(
        `update event_copy set body = overlay(body placing
          chr(ascii(substr(body, 40, 1)) # 1) from 40 for 1) where sequence = $1`,
        [sequence],
      );
    await flip(last - 1);
    const verdict = await own.verify();
    expect(verdict).toMatchObject({ sound: false, firstBadSequence: BigInt(last - 1) });
    await flip(last - 1);
    expect(await own.verify()).toMatchObject({ sound: true });
  });
});
