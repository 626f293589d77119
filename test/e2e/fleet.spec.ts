import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlPlane } from '#test/support/control-plane.js';
import { fullDisk } from './full-disk.js';
import { outputs } from './outputs.js';
import { publishing } from './publishing.js';
import { refusals } from './refusals.js';

const timeoutMs = 120_000;

describe('a fleet of real processes', () => {
  let plane: ControlPlane;

  beforeAll(async () => {
    plane = await ControlPlane.start({ segments: 2, nodes: 2 });
  }, timeoutMs);

  afterAll(() => plane?.close(), timeoutMs);

  test('is online when the control plane says in one line that it is ready', async () => {
    const { url, dataDir, agentUrl } = plane;
    expect(agentUrl).toMatch(/^https:/);
    expect(JSON.parse(plane.output.stdout)).toEqual({ ready: true, url, dataDir, agentUrl });
    const { nodes } = await plane.json<Nodes>('get', 'nodes');
    expect(nodes.map(({ name, segment, status }) => [name, segment, status])).toEqual([
      ['paris-1', 'paris', 'online'],
      ['paris-2', 'paris', 'online'],
      ['tokyo-1', 'tokyo', 'online'],
      ['tokyo-2', 'tokyo', 'online'],
    ]);
    expect(nodes.filter(({ leader }) => leader)).toHaveLength(2);
  });

  publishing(() => plane);
  outputs(() => plane);
  refusals(() => plane);
  fullDisk(() => plane);
});

interface Nodes {
  readonly nodes: readonly {
    readonly name: string;
    readonly segment: string;
    readonly status: string;
    readonly leader: boolean;
  }[];
}
