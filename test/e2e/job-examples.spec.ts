import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RunDetailSchema } from '#libs/contracts/index.js';
import { ApiClient } from '#services/espalier/client/api-client.js';
import { ControlPlane } from '#test/support/control-plane.js';
import { treeOf, writeFiles } from '#test/support/trees.js';
import { until } from '#test/support/until.js';
import { examplesIn } from './readme-commands.js';

const timeoutMs = 180_000;
let plane: ControlPlane;
let client: ApiClient;

beforeAll(async () => {
  plane = await ControlPlane.start({ segments: 2, nodes: 2 });
  client = new ApiClient(plane.url);
}, timeoutMs);
afterAll(() => plane?.close(), timeoutMs);

const namesOn = (node: string, site: string) => Object.keys(treeOf(plane.live(node, site)));
const runOf = async (runId: string) =>
  (await client.get(`/api/v1/runs/${runId}`, RunDetailSchema)).run;

async function complete(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await plane.cli(...args, '--wait', '-o', 'json');
  const { status } = JSON.parse(stdout || '{}') as { status?: string };
  expect({ args, code, status, stderr }).toMatchObject({ args, code: 0, status: 'completed' });
}

/** A run that waits for somebody who says when it goes live. */
async function waitingRun(site: string): Promise<string> {
  const { runId } = await plane.json<{ runId: string }>('publish', site, '--go-live', 'manual');
  await until('all servers are prepared', async () => {
    const run = await runOf(runId);
    return run !== undefined && run.nodesTotal > 0 && run.nodesPrepared === run.nodesTotal;
  });
  return runId;
}

test(
  'the example of each job in the README runs as it is written there',
  async () => {
    const site = 'www';
    const [first = '', second = '', ...others] = plane.nodes;
    const staging = await plane.createSite(site, '--node', first, '--node', second);
    const stage = (files: Record<string, string>) => {
      rmSync(staging, { recursive: true });
      writeFiles(staging, files);
    };
    stage({ a: 'one' });
    await complete('publish', site);
    const { versions } = await plane.json<{ versions: { sequence: string }[] }>('history', site);
    const places = { '7': versions[0]?.sequence ?? '', web1: second };
    const examples = examplesIn('README.md', 'Jobs', places);
    expect(examples.map(([name]) => name)).toEqual([
      ...['publish', 'sync', 'replicate', 'rollback', 'checkpoint', 'checkpoint'],
      ...['remove', 'hot', 'go-live', 'abort'],
    ]);
    const files = { a: 'two', 'old/catalogue': 'old', 'video/launch.mp4': 'much wanted' };
    for (const args of examples) {
      stage({ ...files, next: args.join(' ') });
      // The checkpoint is to have what is removed, and what is hot, afterwards.
      if (args[1] === 'create') await complete('publish', site);
      if (args.includes('RUN')) {
        const runId = await waitingRun(site);
        await plane.json(...args.map((word) => (word === 'RUN' ? runId : word)));
        const end = args[0] === 'abort' ? 'aborted' : 'completed';
        await until(`the run is ${end}`, async () => (await runOf(runId))?.status === end);
      } else await complete(...args.filter((word) => word !== '--wait'));
      if (args[0] === 'rollback') expect(namesOn(first, site)).toEqual(['a']);
      if (args[0] === 'remove') expect(namesOn(first, site)).not.toContain('old/catalogue');
    }
    expect(namesOn(first, site)).toContain('old/catalogue');
    for (const node of others) expect(namesOn(node, site)).toEqual(['video', 'video/launch.mp4']);
  },
  timeoutMs,
);

test(
  'a run that is aborted after its commit is taken back, on all servers together',
  async () => {
    const site = 'shop';
    const staging = await plane.createSite(site);
    writeFiles(staging, { a: 'one' });
    await complete('publish', site);
    writeFiles(staging, { b: 'two' });
    const before = (await plane.events()).at(-1)?.sequence ?? 0;
    const { runId } = await plane.json<{ runId: string }>('publish', site, '--lead', '4000');
    await plane.untilEvent('ShadowMoved', before);
    const { rollbackRunId } = await plane.json<{ rollbackRunId: string }>('abort', runId);
    expect(await plane.json('abort', runId)).toEqual({ runId, rollbackRunId });
    await until('it is taken back', async () => {
      return (await runOf(rollbackRunId))?.status === 'completed';
    });
    expect((await runOf(runId))?.status).toBe('completed');
    for (const node of plane.nodes) expect(namesOn(node, site)).toEqual(['a']);
    expect((await plane.cli('abort', runId)).stderr).toContain('is over');
  },
  timeoutMs,
);
