import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ControlPlane } from '#test/support/control-plane.js';
import { treeOf } from '#test/support/trees.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;

let plane: ControlPlane;
let staging: string;
let own: string;
let other: string;
/** What the agent of the other host reaches through its shell. */
let there: string;

beforeAll(async () => {
  plane = await ControlPlane.start({ segments: 1, nodes: 2 });
  [own = '', other = ''] = plane.nodes;
  there = join(plane.directory, 'other host');
  mkdirSync(there);
  const host = { type: 'shell/1', command: ['sh', '-c'], directory: there };
  writeFileSync(join(plane.root(other), 'host.json'), JSON.stringify({ host }));
  staging = await plane.createSite('www');
  // The policy is read at an agent's start.
  await plane.kill('SIGTERM');
  await plane.restart();
}, timeoutMs);

afterAll(() => plane?.close(), timeoutMs);

const live = () => join(there, 'sites/www/live');

async function complete(...args: string[]): Promise<void> {
  const { code, stdout } = await plane.cli(...args, '--wait', '-o', 'json');
  expect(JSON.parse(stdout)).toMatchObject({ status: 'completed', reason: '' });
  expect(code).toBe(0);
}

const expectEverywhere = (tree: unknown) => {
  expect(treeOf(plane.live(own, 'www'))).toEqual(tree);
  expect(treeOf(live())).toEqual(tree);
};

test(
  'a host without an agent gets what the others get, in commands that its shell can execute',
  async () => {
    await until('the agent tells its type', async () => {
      const { nodes } = await plane.ask<Nodes>('nodes');
      return nodes.find(({ name }) => name === other)?.agentType === 'shell/1';
    });
    const text = Array.from({ length: 5_000 }, (_, line) => `line ${line}\n`);
    writeFileSync(join(staging, 'text'), text.join(''));
    mkdirSync(join(staging, "it's"));
    writeFileSync(join(staging, "it's", 'a file'), 'small');
    await complete('publish', 'www');
    const before = treeOf(staging);
    expectEverywhere(before);
    writeFileSync(join(staging, 'text'), text.with(2_500, 'changed\n').join(''));
    await complete('publish', 'www');
    expectEverywhere(treeOf(staging));
    const built = (await plane.events()).filter(({ type }) => type.endsWith('.AssignmentBuilt'));
    const [difference = 0, whole = 0] = built
      .map(({ data }) => data as { type?: string; agentType?: string; dataBytes?: string })
      .filter(({ type }) => type === 'JOB_TYPE_PUBLISH')
      .slice(-2)
      .sort((a, b) => (a.agentType ?? '').length - (b.agentType ?? '').length)
      .map(({ dataBytes }) => Number(dataBytes));
    expect(whole).toBeGreaterThan(10 * difference);
    await complete('rollback', 'www');
    expectEverywhere(before);
    expect(readlinkSync(live())).toMatch(/^versions\/\d+$/);
  },
  timeoutMs,
);

interface Nodes {
  readonly nodes: readonly { readonly name: string; readonly agentType: string }[];
}
