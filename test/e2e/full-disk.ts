import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Child, espalierWithFileLimit } from '#test/support/child.js';
import type { ControlPlane } from '#test/support/control-plane.js';
import { type Tree, treeOf } from '#test/support/trees.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;
const limitBytes = 1_000_000;

/** A server whose disk takes no file beyond a limit, as a full one takes none. */
export function fullDisk(planeOf: () => ControlPlane): void {
  describe('where servers have no room', () => {
    const member = 'paris-small';
    const leader = 'lonely-small';
    const small = [member, leader];
    let plane: ControlPlane;
    let staging: string;
    let agents: Child[] = [];
    let before: Tree;

    beforeAll(async () => {
      plane = planeOf();
      agents = [start('paris', member), start('lonely', leader)];
      await until('the servers are online', async () => {
        const { nodes } = await plane.ask<Nodes>('nodes');
        const online = nodes.filter(({ status }) => status === 'online').map(({ name }) => name);
        return small.every((node) => online.includes(node));
      });
      staging = await plane.createSite('heavy', '--node', ...small, 'paris-1', 'tokyo-1');
      writeFileSync(join(staging, 'index.html'), 'light');
      expect(await plane.publish('heavy')).toMatchObject({ status: 'completed', code: 0 });
      before = treeOf(staging);
      for (const node of small) expect(treeOf(live(node))).toEqual(before);
    }, timeoutMs);

    afterAll(async () => {
      for (const agent of agents) agent.kill('SIGTERM');
      await Promise.all(agents.map(({ ended }) => ended));
    });

    function start(segment: string, name: string): Child {
      const token = join(plane.dataDir, 'keys', 'join-token');
      const place = ['--segment', segment, '--name', name, '--root', join(plane.directory, name)];
      const control = ['--control', plane.url, '--join-token-file', token, '--timings', 'fast'];
      return espalierWithFileLimit(limitBytes, ['agent', ...place, ...control]);
    }

    const live = (node: string) => join(plane.directory, node, 'sites', 'heavy', 'live', '.');

    test.each([
      ['of the files', Buffer.alloc(4 * limitBytes), 'EFBIG'],
      ['of the assignment', randomBytes(4 * limitBytes), 'spool'],
    ])(
      'a run for the lack %s is partial and says why; the others are live',
      async (_what, content, says) => {
        writeFileSync(join(staging, 'large'), content);
        const published = await plane.publish('heavy');
        expect(published).toMatchObject({ status: 'partial', code: 6 });
        expect(published.nodes).toEqual(
          expect.arrayContaining([
            { node: member, segment: 'paris', status: 'failed' },
            { node: leader, segment: 'lonely', status: 'failed' },
            { node: 'paris-1', segment: 'paris', status: 'switched' },
            { node: 'tokyo-1', segment: 'tokyo', status: 'switched' },
          ]),
        );
        const detail = await plane.json<Errors>('describe', 'run', published.runId);
        for (const node of small) {
          expect(published.reason).toContain(node);
          expect(detail.nodes.find((each) => each.node === node)?.error).toContain(says);
          expect(treeOf(live(node))).toEqual(before);
        }
        const wanted = treeOf(staging);
        for (const other of ['paris-1', 'tokyo-1']) {
          expect(treeOf(plane.live(other, 'heavy'))).toEqual(wanted);
        }
      },
      timeoutMs,
    );
  });
}

interface Nodes {
  readonly nodes: readonly { readonly name: string; readonly status: string }[];
}

interface Errors {
  readonly nodes: readonly { readonly node: string; readonly error: string }[];
}
