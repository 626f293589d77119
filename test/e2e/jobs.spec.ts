import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { RunDetailSchema } from '#libs/contracts/index.js';
import { ApiClient, type FeedEvent } from '#services/espalier/client/api-client.js';
import { requestRun, waitForRun } from '#services/espalier/commands/publish.js';
import { askUnverified } from '#test/support/ask-unverified.js';
import { ControlPlane, type Published } from '#test/support/control-plane.js';
import { treeOf, writeFiles } from '#test/support/trees.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;

interface History {
  readonly versions: { sequence: string; live: boolean; runId: string }[];
  readonly checkpoints: { name: string; pinned: boolean }[];
}

describe('jobs over a fleet of real processes', () => {
  let plane: ControlPlane;
  let staging: string;
  let site: string;
  let client: ApiClient;
  let sites = 0;

  beforeAll(async () => {
    const env = { ESPALIER_REPAIR_DELAY_MS: '300' };
    plane = await ControlPlane.start({ segments: 2, nodes: 2, env });
    client = new ApiClient(plane.url);
  }, timeoutMs);

  afterAll(() => plane?.close(), timeoutMs);

  beforeEach(async () => {
    site = `site-${++sites}`;
    staging = join(plane.directory, 'staging', site);
    mkdirSync(staging, { recursive: true });
    await client.send('POST', '/api/v1/sites', { site, staging });
    await client.send('POST', '/api/v1/groups', { group: site, site, membership: { all: true } });
  }, timeoutMs);

  async function run(...args: string[]): Promise<Published & { code: number }> {
    const { code, stdout, stderr } = await plane.cli(...args, '--wait', '-o', 'json');
    if (stdout === '') throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`);
    return { ...JSON.parse(stdout), code };
  }

  async function complete(...args: string[]): Promise<Published> {
    const done = await run(...args);
    expect(done).toMatchObject({ status: 'completed', reason: '', code: 0 });
    return done;
  }

  /** Puts these files, and no others, into the staging directory, and publishes. */
  async function publish(files: Record<string, string>): Promise<void> {
    stage(files);
    const { runId, sequence } = await requestRun(client, site, false);
    const { run } = await waitForRun(client, runId, sequence, timeoutMs, () => undefined);
    expect(run).toMatchObject({ status: 'completed', reason: '' });
  }

  function stage(files: Record<string, string>): void {
    for (const name of readdirSync(staging)) rmSync(join(staging, name), { recursive: true });
    writeFiles(staging, files);
  }

  async function receive(...nodes: string[]): Promise<void> {
    await client.send('PATCH', `/api/v1/groups/${site}`, { membership: { nodes: { nodes } } });
  }

  const namesOn = (node: string) => Object.keys(treeOf(plane.live(node, site)));

  function expectNames(names: string[], nodes = plane.nodes): void {
    for (const node of nodes) expect(namesOn(node)).toEqual(names);
  }

  async function eventsOf(runId: string, type: string): Promise<FeedEvent[]> {
    const events = await plane.events();
    return events.filter((event) => {
      return event.type.endsWith(`.${type}`) && (event.data as { runId?: string }).runId === runId;
    });
  }

  test(
    'rollback goes back on all servers together, with no content on the way',
    async () => {
      await publish({ a: 'one' });
      await publish({ a: 'two', b: 'new' });
      const { runId } = await complete('rollback', site, '--reason', 'it was wrong');
      expectNames(['a']);
      const [built, ...others] = await eventsOf(runId, 'AssignmentBuilt');
      expect(built?.data).not.toHaveProperty('dataBytes');
      expect(others).toHaveLength(1);
      const { versions } = await plane.json<History>('history', site);
      expect(versions.map(({ live }) => live)).toEqual([true, false, false]);
      const changes = { changed: 1, deleted: 1 };
      const made = { type: 'rollback', reason: 'it was wrong', changes };
      expect(versions[0]).toMatchObject({ ...made, actor: expect.stringMatching(/^cli:/) });
      const second = versions[1]?.sequence ?? '';
      await complete('rollback', site, '--to', second);
      expectNames(['a', 'b']);
      const diff = await plane.json<{ paths: unknown[] }>('site', 'diff', site, second, 'live');
      expect(diff.paths).toEqual([]);
    },
    timeoutMs,
  );

  test(
    'a checkpoint is kept, verified, exported and restored',
    async () => {
      await publish({ a: 'one', 'd/e': 'deep' });
      await complete('checkpoint', 'create', site, 'safe');
      await publish({ b: 'two' });
      await complete('checkpoint', 'restore', site, 'safe');
      expectNames(['a', 'd', 'd/e']);
      const verdict = await plane.json('checkpoint', 'verify', site, 'safe');
      expect(verdict).toMatchObject({ intact: true, files: 2, problems: [] });
      const target = join(plane.directory, 'exported');
      await plane.json('checkpoint', 'export', site, 'safe', target);
      expect(treeOf(target)).toEqual(treeOf(plane.live(plane.nodes[0] ?? '', site)));
      await plane.json('checkpoint', 'pin', site, 'safe');
      expect((await plane.cli('checkpoint', 'delete', site, 'safe')).stderr).toMatch('pinned');
      await plane.json('checkpoint', 'pin', site, 'safe', '--off');
      await plane.json('checkpoint', 'delete', site, 'safe');
      expect((await plane.json<History>('checkpoint', 'list', site)).checkpoints).toEqual([]);
    },
    timeoutMs,
  );

  test(
    'removes paths, then everything, and can go back',
    async () => {
      await publish({ a: 'one', 'd/e': 'deep', 'd/f': 'other' });
      await complete('remove', site, 'd/e');
      expectNames(['a', 'd', 'd/f']);
      await complete('remove', site, '--all');
      expectNames([]);
      await complete('rollback', site);
      expectNames(['a', 'd', 'd/f']);
    },
    timeoutMs,
  );

  test(
    'a server that lost its disk is out of service until it has been replicated to, by itself',
    async () => {
      await publish({ a: 'one' });
      const node = plane.nodes[1] ?? '';
      plane.signal(node, 'SIGSTOP');
      rmSync(join(plane.root(node), 'sites', site), { recursive: true });
      const killed = plane.signal(node, 'SIGKILL');
      await until(`${node} has the site again`, () => existsSync(plane.live(node, site)));
      expect(namesOn(node)).toEqual(['a']);
      expect(plane.pids()[node]).not.toBe(killed);
      await until(`${node} is in service`, () => inService(node));
    },
    timeoutMs,
  );

  async function inService(node: string): Promise<boolean> {
    const changes = (await plane.events()).filter(({ type }) => type.endsWith('.SegmentChanged'));
    const members = changes.flatMap(
      ({ data }) => (data as unknown as { members: Member[] }).members,
    );
    const url = members.findLast((member) => member.node === node)?.httpUrl;
    const { status, text } = await askUnverified(`${url}/lb/health`);
    const health = JSON.parse(text) as { inService: boolean };
    expect(status).toBe(health.inService ? 200 : 503);
    return health.inService;
  }

  test(
    'a server that missed a run is synchronized by itself when it is back',
    async () => {
      await publish({ a: 'one' });
      const node = plane.nodes[3] ?? '';
      plane.signal(node, 'SIGSTOP');
      stage({ a: 'one', b: 'two' });
      const { status, nodes } = await run('publish', site);
      plane.signal(node, 'SIGCONT');
      expect(status).toBe('partial');
      expect(nodes.find((each) => each.node === node)?.status).toBe('missing');
      await until(`${node} has the new version`, () => namesOn(node).includes('b'));
      expect(await complete('sync', site)).toMatchObject({ assignments: [] });
    },
    timeoutMs,
  );

  test(
    'a server that joins a group is replicated to by itself; on demand, all are again',
    async () => {
      const [first = '', second = ''] = plane.nodes;
      await receive(first);
      await publish({ a: 'one' });
      expect(existsSync(plane.live(second, site))).toBe(false);
      await receive(first, second);
      await until(`${second} has the site`, () => existsSync(plane.live(second, site)));
      expectNames(['a'], [first, second]);
      const { nodes } = await complete('replicate', site, '--node', second);
      expect(nodes).toMatchObject([{ node: second, status: 'switched' }]);
    },
    timeoutMs,
  );

  test(
    'hot content goes to servers that do not receive the site, and can be removed from them',
    async () => {
      const [first = ''] = plane.nodes;
      await receive(first);
      await publish({ a: 'one', 'hot/b': 'much wanted', 'hot/c': 'too' });
      const { nodes } = await complete('hot', site, 'hot/b', '--servers', '2');
      const [second = '', third = '', ...more] = nodes.map(({ node }) => node);
      expect(more).toEqual([]);
      expectNames(['hot', 'hot/b'], [second, third]);
      expectNames(['a', 'hot', 'hot/b', 'hot/c'], [first]);
      await complete('remove', site, '--all', '--node', second);
      expectNames([], [second]);
      expectNames(['hot', 'hot/b'], [third]);
      await complete('hot', site, 'hot/c', '--node', second, '--ttl', '500ms');
      await until('its time is over', () => namesOn(second).length === 0);
    },
    timeoutMs,
  );

  async function begin(...args: string[]): Promise<string> {
    const { runId } = await plane.json<{ runId: string }>('publish', site, ...args);
    await until('all servers are prepared', async () => {
      const { run } = await client.get(`/api/v1/runs/${runId}`, RunDetailSchema);
      return run?.nodesPrepared === plane.nodes.length;
    });
    return runId;
  }

  test(
    'a run waits for its go-live, and is aborted before it',
    async () => {
      stage({ a: 'one' });
      const aborted = await begin('--go-live', 'manual', '--quorum', 'all');
      await plane.json('abort', aborted);
      expect((await plane.cli('abort', aborted)).code).toBe(0);
      expect((await plane.cli('go-live', aborted)).code).toBe(7);
      for (const node of plane.nodes) expect(existsSync(plane.live(node, site))).toBe(false);
      const runId = await begin('--go-live', 'manual');
      await plane.json('go-live', runId);
      await until('all servers have switched', () =>
        plane.nodes.every((node) => existsSync(plane.live(node, site))),
      );
      expectNames(['a']);
    },
    timeoutMs,
  );

  test(
    'no server switches when the quorum is not prepared',
    async () => {
      await publish({ a: 'one' });
      const node = plane.nodes[2] ?? '';
      plane.signal(node, 'SIGSTOP');
      stage({ b: 'two' });
      const { status, reason } = await run('publish', site, '--quorum', '100%');
      plane.signal(node, 'SIGCONT');
      expect(status).toBe('failed');
      expect(reason).toMatch('3 of 4 servers are prepared, the quorum is 100%');
      expectNames(['a']);
    },
    timeoutMs,
  );

  test(
    'servers switch at a time that was set, by one clock; or each as soon as it can',
    async () => {
      stage({ a: 'one' });
      const atMs = Math.ceil(Date.now() / 1_000) * 1_000 + 4_000;
      const { runId } = await complete('publish', site, '--at', new Date(atMs).toISOString());
      const reports = (await eventsOf(runId, 'SegmentSwitched')).flatMap(
        ({ data }) => (data as unknown as { nodes: Report[] }).nodes,
      );
      expect(reports).toHaveLength(plane.nodes.length);
      for (const { switchedAtMs, clockErrorMs } of reports) {
        expect(clockErrorMs).toBeGreaterThan(0);
        expect(Number(switchedAtMs)).toBeGreaterThanOrEqual(atMs - clockErrorMs);
      }
      stage({ b: 'two' });
      await complete('publish', site, '--go-live', 'on-apply');
      expectNames(['b']);
    },
    timeoutMs,
  );
});

interface Member {
  readonly node: string;
  readonly httpUrl: string;
}

interface Report {
  readonly switchedAtMs: string;
  readonly clockErrorMs: number;
}
