import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import {
  type DomainEvent,
  event,
  JobType,
  NodeStatus,
  type RecordedEvent,
} from '#libs/contracts/index.js';
import { chainHash, chainStart } from '#libs/event-log/hash-chain.js';
import { isSoundCheckpoint } from '#libs/keys/audit-checkpoint.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { type TestPostgres, withPostgres } from '#test/support/servers.js';
import type { CopiedEvent } from '../../audit/verify-log.js';
import { openDatabase } from './database.js';
import { checkpoints, copiedEvents, eventCopy } from './event-copy.js';
import { readModels } from './projections.js';
import { ReadModelQueries } from './read-model-queries.js';

let postgres: TestPostgres;
let database: DataSource;
let queries: ReadModelQueries;

beforeAll(async () => {
  postgres = await withPostgres();
  database = await openDatabase(postgres.url);
  queries = new ReadModelQueries(database);
}, 60_000);

afterAll(async () => {
  await database.destroy();
  await postgres.stop();
});

const timeMs = Date.UTC(2026, 0, 1);

function recorded(events: readonly DomainEvent[]): RecordedEvent[] {
  return events.map((happened, index) => ({
    ...happened,
    id: `event-${index}`,
    aggregate: { type: 'run', id: 'r1' },
    sequence: index + 1,
    version: index + 1,
    timeMs,
    context: { actor: 'cli:ann', correlationId: 'r1', causationId: 'c' },
  }));
}

const node = (name: string, status: NodeStatus, error = '') => ({ node: name, status, error });
const { PREPARED, SWITCHED, FAILED } = NodeStatus;
const story = recorded([
  event('SiteCreated', { site: 'www', staging: '/srv/www' }),
  event('GroupCreated', {
    group: 'web',
    site: 'www',
    membership: { membership: { case: 'selector', value: 'tier=web' } },
  }),
  event('NodeEnrolled', { node: 'p1', segment: 'paris', labels: { tier: 'web' } }),
  event('NodeEnrolled', { node: 'p2', segment: 'paris' }),
  event('SegmentChanged', {
    segment: 'paris',
    leader: 'p1',
    term: 4n,
    members: [{ node: 'p1', address: '10.0.0.1', liveVersions: [{ site: 'www', sequence: 1n }] }],
  }),
  event('SegmentRenamed', { segment: 'paris', name: 'Paris Nord' }),
  event('SegmentLocated', { segment: 'paris', location: 'paris', region: 'eu' }),
  event('RunRequested', { runId: 'r1', site: 'www', type: JobType.PUBLISH }),
  event('RunStarted', { runId: 'r1', targets: [{ segment: 'paris', nodes: ['p1', 'p2'] }] }),
  event('ChangeSetComputed', { runId: 'r1', counts: { added: 2, files: 2 }, treeBytes: 9n }),
  event('AssignmentBuilt', {
    assignmentId: 'www-1',
    runId: 'r1',
    site: 'www',
    sequence: 1n,
    type: JobType.PUBLISH,
    containerBytes: 100n,
  }),
  event('LeaderReceived', {
    runId: 'r1',
    assignmentId: 'www-1',
    segment: 'paris',
    source: 'origin',
    bytes: 100n,
  }),
  event('SegmentPrepared', {
    runId: 'r1',
    segment: 'paris',
    assignmentId: 'www-1',
    nodes: [node('p1', PREPARED), node('p2', FAILED, 'disk full')],
    bytes: { multicast: 100n, unicast: 7n },
  }),
  event('SegmentSwitched', {
    runId: 'r1',
    segment: 'paris',
    assignmentId: 'www-2',
    nodes: [node('p1', SWITCHED)],
  }),
  event('RunPartiallyCompleted', {
    runId: 'r1',
    durationMs: 1234n,
    missed: [node('p2', FAILED, 'disk full')],
  }),
]);

function write(events: readonly RecordedEvent[]): Promise<void> {
  return database.transaction((manager) => readModels.apply(manager, events));
}

async function everything() {
  const kinds = ['sites', 'groups', 'nodes', 'segments', 'runs', 'assignments'];
  const lists = await Promise.all(kinds.map((kind) => queries.list(kind, 0)));
  return [...lists, await queries.run('r1')];
}

describe('the read models', () => {
  beforeAll(() => write(story));

  it('tell what people call a segment and where it is', async () => {
    const { list } = await queries.list('segments', 0);
    const seen = list?.case === 'segments' ? list.value.segments : [];
    const place = { location: 'paris', region: 'eu' };
    expect(seen).toMatchObject([{ name: 'paris', displayName: 'Paris Nord', ...place }]);
  });

  it('tell how a run went, server by server', async () => {
    expect(await queries.run('r1')).toMatchObject({
      run: {
        status: 'partial',
        actor: 'cli:ann',
        durationMs: 1234,
        nodesTotal: 2,
        nodesSwitched: 1,
        nodesFailed: 1,
        reason: expect.stringContaining('p2 (disk full)'),
      },
      changes: { added: 2, files: 2, treeBytes: 9 },
      assignments: [{ id: 'www-1', sequence: 1n, type: 'publish', bytes: 100 }],
      nodes: [
        { node: 'p1', segment: 'paris', status: 'switched' },
        { node: 'p2', segment: 'paris', status: 'failed', error: 'disk full' },
      ],
      bytes: { wan: 100, multicast: 100, unicast: 7, repair: 0 },
      links: [{ segment: 'paris', source: 'origin', bytes: 100 }],
    });
  });

  it('list servers with their segment, leader and content', async () => {
    expect(await queries.list('nodes', 0)).toMatchObject({
      list: {
        value: {
          nodes: [
            { name: 'p1', status: 'online', leader: true, live: { www: '1' } },
            { name: 'p2', status: 'enrolled', leader: false, live: {} },
          ],
        },
      },
    });
  });

  it('are the same when all events are written again', async () => {
    const before = await everything();
    await write(story);
    expect(await everything()).toEqual(before);
  });

  it('are the same when aggregates are read in another order', async () => {
    const before = await everything();
    for (const table of ['run', 'run_node', 'assignment', 'node', 'segment', 'site']) {
      await database.query(`delete from ${table}`);
    }
    const late = (happened: RecordedEvent) => (happened.type === 'RunRequested' ? 1 : 0);
    await write([...story].sort((a, b) => late(a) - late(b)));
    expect(await everything()).toEqual(before);
  });

  it('list no server that was removed, though its registration may be read later', async () => {
    const registered = story.filter(({ type }) => type === 'SegmentChanged');
    await write([...recorded([event('NodeRemoved', { node: 'p1' })]), ...registered]);
    const { list } = await queries.list('nodes', 0);
    const seen = list?.case === 'nodes' ? list.value.nodes : [];
    expect(seen?.map(({ name }) => name)).toEqual(['p2']);
  });

  it('know no run that was never asked for', async () => {
    expect(await queries.run('r2')).toBeUndefined();
  });
});

describe('the second copy of the log', () => {
  it('chains each event to the one before it, and signs its head at intervals', async () => {
    const key = signingKeyFromPem(generatePrivateKeyPem());
    const clock = new VirtualClock(timeMs);
    const copy = eventCopy(key, clock);
    const append = (events: RecordedEvent[]) =>
      database.transaction((manager) => copy.apply(manager, events));
    await append(story.slice(0, 3));
    await append(story.slice(3, 5));
    clock.advance(60_000);
    await append(story.slice(5, 6));
    const rows: CopiedEvent[] = [];
    for await (const row of copiedEvents(database, 6)) rows.push(row);
    expect(rows.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6]);
    let previous: Uint8Array = chainStart;
    for (const { sequence, body, hash } of rows) {
      previous = chainHash(previous, sequence, body);
      expect(Buffer.compare(hash, previous)).toBe(0);
    }
    const signed = await checkpoints(database);
    expect(signed.map(({ sequence }) => sequence)).toEqual([3n, 6n]);
    expect(signed.every((checkpoint) => isSoundCheckpoint(checkpoint, [key.publicKey]))).toBe(true);
  });
});
