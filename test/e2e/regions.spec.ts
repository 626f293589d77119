import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findFreePort } from '#deploy/embedded/free-port.js';
import { ControlPlane } from '#test/support/control-plane.js';
import { type OwnAgent, startOwnAgent, untilOnline } from '#test/support/own-agent.js';
import { treeOf } from '#test/support/trees.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;

/** Another host of the same control plane: its own disk, the operator's keys. */
async function startGateway(plane: ControlPlane, port: number) {
  const dataDir = join(plane.directory, 'second-host');
  mkdirSync(dataDir);
  cpSync(join(plane.dataDir, 'keys'), join(dataDir, 'keys'), { recursive: true });
  const inPlane = (...path: string[]) => readFileSync(join(plane.dataDir, ...path), 'utf8').trim();
  const child = spawn(process.execPath, [resolve('dist/services/gateway/main.js')], {
    env: {
      ...process.env,
      NATS_URL: `nats://127.0.0.1:${inPlane('nats', 'port')}`,
      NATS_USER: 'control',
      NATS_PASSWORD: inPlane('keys', 'nats-control-password'),
      ESPALIER_ALLOW_LAZY_SYNC: 'true',
      ESPALIER_HTTP_PORT: String(await findFreePort()),
      ESPALIER_AGENT_HTTPS_PORT: String(port),
      ESPALIER_DATA_DIR: dataDir,
      ESPALIER_CONTENT_SOURCES: plane.url,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  await until('the second gateway has started', () => log.includes('"started"'));
  const fetched = () => filesIn(join(dataDir, 'content'));
  const stop = async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  return { fetched, stop };
}

function filesIn(directory: string): number {
  if (!existsSync(directory)) return 0;
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}

describe('a control plane of two hosts in two regions', () => {
  let plane: ControlPlane;
  let second: Awaited<ReturnType<typeof startGateway>>;
  let rome: OwnAgent;
  let oslo: OwnAgent;

  beforeAll(async () => {
    const port = await findFreePort();
    const env = { ESPALIER_REGION_ORIGINS: `eu=https://127.0.0.1:${port}` };
    plane = await ControlPlane.start({ segments: 1, nodes: 1, env });
    second = await startGateway(plane, port);
    rome = startOwnAgent(plane, 'rome', '--label', 'region=eu');
    oslo = startOwnAgent(plane, 'oslo', '--label', 'region=eu');
    await Promise.all([rome, oslo].map((agent) => untilOnline(plane, agent)));
    // On one host both origins are as near: which one is nearer is as may be.
    expect((await plane.cli('segment', 'set-location', 'paris', '--region', 'asia')).code).toBe(0);
  }, timeoutMs);

  afterAll(async () => {
    await Promise.all([rome, oslo].map((agent) => agent?.stop()));
    await second?.stop();
    await plane?.close();
  }, timeoutMs);

  test(
    'serves each region from its own host, and leaders pull within their region',
    async () => {
      const staging = await plane.createSite('www');
      writeFileSync(join(staging, 'large'), Buffer.alloc(2_000_000, 7));
      const before = second.fetched();
      expect(await plane.publish('www')).toMatchObject({ status: 'completed', code: 0 });
      for (const node of plane.nodes) {
        expect(treeOf(plane.live(node, 'www'))).toEqual(treeOf(staging));
      }
      expect(second.fetched()).toBeGreaterThan(before);
      const received = (await plane.events()).filter(({ type }) => type.endsWith('LeaderReceived'));
      for (const { data } of received as unknown as { data: Received }[]) {
        const region = data.segment === 'paris' ? ['origin'] : ['origin', 'rome', 'oslo'];
        for (const { source } of data.links) expect(region).toContain(source);
      }
    },
    timeoutMs,
  );

  test('shows the regions', async () => {
    const { leaders } = await plane.json<{ leaders: Leader[] }>('tree', 'show');
    const regions = Object.fromEntries(leaders.map(({ segment, region }) => [segment, region]));
    expect(regions).toEqual({ paris: 'asia', rome: 'eu', oslo: 'eu' });
  });
});

interface Received {
  readonly segment: string;
  readonly links: readonly { readonly source: string }[];
}

interface Leader {
  readonly segment: string;
  readonly region: string;
}
