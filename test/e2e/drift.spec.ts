import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { removeTree } from '#libs/interpreter/adapters/removal.js';
import { ControlPlane } from '#test/support/control-plane.js';
import { treeOf, writeFiles } from '#test/support/trees.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;
/** A server is ill as long as there is such a file. */
const signOfIllness = (node: string) => join(plane.root(node), 'ill');
const policyOf = (node: string) => ({
  sites: {
    '*': {
      drift: 'repair',
      probe: { command: ['/usr/bin/test', '!', '-e', signOfIllness(node)], timeoutMs: 200 },
    },
  },
  scrub: { attributesEveryMs: 300, contentEveryMs: 600, healthEveryMs: 300 },
});

let plane: ControlPlane;
let staging: string;

beforeAll(async () => {
  const env = { ESPALIER_REPAIR_DELAY_MS: '300' };
  plane = await ControlPlane.start({ segments: 1, nodes: 2, env });
  for (const node of plane.nodes) {
    writeFileSync(join(plane.root(node), 'host.json'), JSON.stringify(policyOf(node)));
  }
  staging = await plane.createSite('www');
  // The policy is read at an agent's start.
  await plane.kill('SIGTERM');
  await plane.restart();
  await publish({ a: 'one', 'd/b': 'two' });
}, timeoutMs);

afterAll(() => plane?.close(), timeoutMs);

async function publish(files: Record<string, string>): Promise<void> {
  writeFiles(staging, files);
  expect(await plane.publish('www')).toMatchObject({ status: 'completed', code: 0 });
}

/** Node's own copy rounds times. */
const copyExactly = (from: string, to: string) => execFileSync('cp', ['-a', from, to]);
const live = (node: string) => plane.live(node, 'www');
const isAsStaged = (node: string) =>
  JSON.stringify(treeOf(live(node))) === JSON.stringify(treeOf(staging));

test(
  'a file that was edited by hand is found, and the site is replicated by a recorded run',
  async () => {
    const [first = '', second = ''] = plane.nodes;
    const seen = (await plane.events()).length;
    writeFileSync(join(live(first), 'a'), 'defaced');
    rmSync(join(live(second), 'd/b'));
    await until('both servers are repaired', () => plane.nodes.every(isAsStaged));
    expect(readFileSync(join(live(first), 'a'), 'utf8')).toBe('one');
    const events = (await plane.events()).slice(seen);
    const drifted = events.filter(({ type }) => type.endsWith('.SegmentChanged'));
    expect(JSON.stringify(drifted.map(({ data }) => data))).toContain('"drifted":1');
    expect(events.some(({ type }) => type.endsWith('.RunStarted'))).toBe(true);
  },
  timeoutMs,
);

test(
  'a server that was restored from an old image is brought up to what is live',
  async () => {
    const [node = ''] = plane.nodes;
    const root = plane.root(node);
    const image = join(plane.directory, 'image');
    copyExactly(join(root, 'sites'), image);
    await publish({ a: 'newer' });
    plane.signal(node, 'SIGSTOP');
    await removeTree(join(root, 'sites'));
    copyExactly(image, join(root, 'sites'));
    expect(readFileSync(join(live(node), 'a'), 'utf8')).toBe('one');
    plane.signal(node, 'SIGKILL');
    await until(`${node} has what is live`, () => isAsStaged(node));
  },
  timeoutMs,
);

test(
  'a wave whose servers fall ill while it soaks is taken back',
  async () => {
    await publish({ a: 'sound' });
    const before = treeOf(staging);
    writeFiles(staging, { a: 'makes ill' });
    await plane.cli('publish', 'www', '--wave', '1', '--soak', '10m');
    const told = async (type: string) => {
      const events = await plane.events();
      return events.find((happened) => happened.type.endsWith(`.${type}`));
    };
    await until('the wave soaks', async () => (await told('WaveSoaking')) !== undefined);
    for (const node of plane.nodes) writeFileSync(signOfIllness(node), '');
    await until('the wave has failed', async () => (await told('WaveFailed')) !== undefined);
    for (const node of plane.nodes) rmSync(signOfIllness(node));
    expect((await told('WaveFailed'))?.data).toMatchObject({
      reason: expect.stringContaining('is not healthy: exit status 1'),
    });
    await until('all serve what was live', () =>
      plane.nodes.every((node) => JSON.stringify(treeOf(live(node))) === JSON.stringify(before)),
    );
  },
  timeoutMs,
);
