import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { makeAuthority } from '#libs/keys/adapters/tls-authority.js';
import { generatePrivateKeyPem } from '#libs/keys/ed25519.js';
import { ControlPlane } from '#test/support/control-plane.js';
import { type CuttableProxy, cuttableProxy } from '#test/support/cuttable-proxy.js';
import { type OwnAgent, startOwnAgent, untilOnline } from '#test/support/own-agent.js';
import { treeOf } from '#test/support/trees.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;
/** Nobody listens there: a firewall's word for no. */
const nowhere = 'https://127.0.0.1:9';

describe('sites behind firewalls', () => {
  let plane: ControlPlane;
  let staging: string;
  let nats: CuttableProxy;
  let rome: OwnAgent;
  let oslo: OwnAgent;
  let lima: OwnAgent;

  beforeAll(async () => {
    plane = await ControlPlane.start({ segments: 1, nodes: 1 });
    staging = await plane.createSite('www');
    writeFileSync(join(staging, 'index.html'), 'hello\n');
    const port = Number(readFileSync(join(plane.dataDir, 'nats', 'port'), 'utf8'));
    nats = await cuttableProxy(port);
    const natsUrl = `nats://127.0.0.1:${nats.port}`;
    rome = startOwnAgent(plane, 'rome', '--link', 'https', '--public-url', nowhere);
    oslo = startOwnAgent(plane, 'oslo', '--link', 'nats', '--nats-url', natsUrl);
    lima = startOwnAgent(plane, 'lima', '--nats-url', 'nats://127.0.0.1:9');
    await Promise.all([rome, oslo, lima].map((agent) => untilOnline(plane, agent)));
  }, timeoutMs);

  afterAll(async () => {
    await Promise.all([rome, oslo, lima].map((agent) => agent?.stop()));
    await nats?.close();
    await plane?.close();
  }, timeoutMs);

  function expectLive(): void {
    for (const node of plane.nodes)
      expect(treeOf(plane.live(node, 'www'))).toEqual(treeOf(staging));
  }

  test(
    'that let only HTTPS through, or only the web, take part like all others',
    async () => {
      expect(lima.log()).toContain('the control plane is reached by websocket');
      expect(await plane.publish('www')).toMatchObject({ status: 'completed', code: 0 });
      expectLive();
    },
    timeoutMs,
  );

  test(
    'that lose NATS go on receiving, keep their reports, and deliver them when it is back',
    async () => {
      appendFileSync(join(staging, 'index.html'), 'more\n');
      await nats.cut();
      const { runId } = await plane.json<{ runId: string }>('publish', 'www');
      await until('oslo has prepared it and keeps its report', () =>
        oslo.spooled().includes('assignment'),
      );
      await nats.restore();
      const { run } = await until('the run ends', async () => {
        const detail = await plane.ask<RunDetail>(`runs/${runId}`);
        return !['queued', 'running'].includes(detail.run.status) && detail;
      });
      expect(run).toMatchObject({ status: 'completed', reason: '' });
      expectLive();
      await until('nothing waits', () => oslo.spooled().length === 0);
    },
    timeoutMs,
  );

  test(
    'tell what they reach, and what cannot be reached is a leaf',
    async () => {
      const leaders = await until('all have probed the origin, and somebody rome', async () => {
        const { leaders } = await plane.json<Tree>('tree', 'show');
        const isRomeTried = leaders.some(({ isLeaf }) => isLeaf);
        return isRomeTried && leaders.every(({ rttUs }) => rttUs > 0) && leaders;
      });
      const leaves = leaders.filter(({ isLeaf }) => isLeaf).map(({ segment }) => segment);
      expect(leaves).toEqual(['rome']);
      expect(leaders.flatMap(({ sources }) => sources)).not.toContain('rome');
    },
    timeoutMs,
  );

  /** Where a segment's leader serves content, as the control plane knows. */
  const placeOf = async (segment: string) => {
    const reports = (await plane.events())
      .filter(({ type }) => type.endsWith('.SegmentChanged'))
      .map(({ data }) => data as unknown as { segment: string; httpUrl: string });
    return reports.findLast((report) => report.segment === segment)?.httpUrl;
  };

  test(
    'keep their places and names when their leaders change',
    async () => {
      await plane.json('segment', 'rename', 'oslo', 'Oslo harbour');
      await plane.json('segment', 'set-location', 'oslo', '--time-zone', 'Europe/Oslo');
      await plane.json('tree', 'set', '--order', 'Oslo harbour', '--source', 'lima=oslo');
      const before = await placeOf('oslo');
      await oslo.stop();
      oslo = startOwnAgent(plane, 'oslo');
      await until('oslo leads again', async () => (await placeOf('oslo')) !== before);
      const { leaders, isFixed } = await plane.json<Tree>('tree', 'show');
      expect(isFixed).toBe(true);
      const named = { segment: 'oslo', name: 'Oslo harbour', timeZone: 'Europe/Oslo' };
      expect(leaders[0]).toMatchObject(named);
      const after = leaders.find(({ segment }) => segment === 'lima');
      expect(new Set(after?.sources)).toEqual(new Set(['oslo']));
      appendFileSync(join(staging, 'index.html'), 'fixed\n');
      expect(await plane.publish('www')).toMatchObject({ status: 'completed', code: 0 });
      const events = await plane.events();
      const received = events.filter(({ type }) => type.endsWith('.LeaderReceived'));
      const links = received
        .map(({ data }) => data as unknown as Received)
        .filter(({ segment }) => segment === 'lima')
        .at(-1)?.links;
      expect(links?.map(({ source }) => source)).toEqual(['oslo']);
    },
    timeoutMs,
  );

  test(
    'are not led to a control plane that another authority has certified',
    async () => {
      const file = join(plane.directory, 'other-authority.pem');
      writeFileSync(file, await makeAuthority(generatePrivateKeyPem(), systemClock.nowMs()));
      const cairo = startOwnAgent(plane, 'cairo', '--control-ca', file);
      await until('cairo refuses', () => cairo.log().includes('certificate'));
      await cairo.stop();
      const { nodes } = await plane.json<{ nodes: { name: string }[] }>('get', 'nodes');
      expect(nodes.map(({ name }) => name)).not.toContain('cairo-1');
    },
    timeoutMs,
  );
});

interface RunDetail {
  readonly run: { readonly status: string; readonly reason: string };
}

interface Tree {
  readonly isFixed: boolean;
  readonly leaders: readonly {
    readonly segment: string;
    readonly name: string;
    readonly timeZone: string;
    readonly rttUs: number;
    readonly isLeaf: boolean;
    readonly sources: readonly string[];
  }[];
}

interface Received {
  readonly segment: string;
  readonly links: readonly { readonly source: string }[];
}
