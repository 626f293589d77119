import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { identityOf } from '#deploy/embedded/process-identity.js';
import type { FeedEvent } from '#services/espalier/client/api-client.js';
import { ControlPlane } from '#test/support/control-plane.js';
import { copyPackage, treeOf } from '#test/support/trees.js';
import { until } from '#test/support/until.js';

const timeoutMs = 180_000;

interface Nodes {
  readonly nodes: { name: string; segment: string; status: string; leader: boolean }[];
}

interface RunDetail {
  readonly run: { readonly status: string; readonly reason: string };
  readonly bytes: { readonly unicast: number };
}

describe('a fleet whose processes are killed', () => {
  let plane: ControlPlane;
  let staging: string;
  let edits = 0;

  beforeAll(async () => {
    plane = await ControlPlane.start({ segments: 2, nodes: 2 });
    staging = await plane.createSite('www');
    copyPackage(staging);
  }, timeoutMs);

  afterAll(() => plane?.close(), timeoutMs);

  /** Changes many files, and asks for a run. @returns its id, and the log's end before it */
  async function begin(): Promise<{ runId: string; before: number }> {
    edits++;
    for (const name of ['README.md', 'package.json', 'styles.css', 'new.txt']) {
      appendFileSync(join(staging, name), `edit ${edits}\n`);
    }
    const before = (await plane.events()).at(-1)?.sequence ?? 0;
    const { runId } = await plane.json<{ runId: string }>('publish', 'www');
    return { runId, before };
  }

  /** The run completes by itself, and every server has the content. */
  async function expectCompleted(runId: string, site = 'www', content = staging): Promise<void> {
    const { run } = await until(`run ${runId} ends`, async () => {
      const detail = await plane.ask<RunDetail>(`runs/${runId}`);
      return !['queued', 'running'].includes(detail.run.status) && detail;
    });
    expect(run).toMatchObject({ status: 'completed', reason: '' });
    const wanted = treeOf(content);
    for (const node of plane.nodes) expect(treeOf(plane.live(node, site))).toEqual(wanted);
  }

  async function leaderOf(segment: string): Promise<{ leader: string; member: string }> {
    return until(`${segment} has a leader and a member`, async () => {
      const { nodes } = await plane.ask<Nodes>('nodes');
      const here = nodes.filter((node) => node.segment === segment && node.status === 'online');
      const leader = here.find((node) => node.leader);
      const member = here.find((node) => !node.leader);
      return leader && member && { leader: leader.name, member: member.name };
    });
  }

  async function expectRestarted(name: string, killed: number): Promise<void> {
    await until(`${name} is started again`, async () => {
      const pid = plane.pids()[name];
      return pid !== undefined && pid !== killed && (await identityOf(pid));
    });
  }

  test.each(['member', 'leader'] as const)(
    'completes a run although a %s dies while it applies',
    async (role) => {
      const node = (await leaderOf('paris'))[role];
      // A site of its own each time: a first publication writes thousands of files.
      const site = `big-${role}`;
      const content = await plane.createSite(site);
      copyPackage(content);
      const { runId } = await plane.json<{ runId: string }>('publish', site);
      const building = join(plane.root(node), 'sites', site, 'versions', '1.tmp');
      await until(`${node} applies`, () => existsSync(building), { intervalMs: 2 });
      const killed = plane.signal(node, 'SIGKILL');
      expect(existsSync(join(plane.root(node), 'sites', site, 'live'))).toBe(false);
      await expectRestarted(node, killed);
      await expectCompleted(runId, site, content);
    },
    timeoutMs,
  );

  test(
    'serves by unicast a member that slept through the multicast',
    async () => {
      const { member, leader } = await leaderOf('tokyo');
      const content = await plane.createSite('slept');
      writeFileSync(join(content, 'large.bin'), randomBytes(3_000_000));
      plane.signal(member, 'SIGSTOP');
      let runId: string;
      try {
        ({ runId } = await plane.json<{ runId: string }>('publish', 'slept'));
        const log = join(plane.root(leader), 'agent.log');
        await until(`${leader} gives the multicast up`, () =>
          readFileSync(log, 'utf8').includes(`slept-1 is pulled by ${member}`),
        );
      } finally {
        plane.signal(member, 'SIGCONT');
      }
      await expectCompleted(runId, 'slept', content);
      const { bytes } = await plane.json<RunDetail>('describe', 'run', runId);
      expect(bytes.unicast).toBeGreaterThan(0);
    },
    timeoutMs,
  );

  test.each(['nats', 'postgres'] as const)(
    'goes on after %s was killed while nothing happened',
    async (server) => {
      const before = await plane.events();
      const killed = plane.signal(server, 'SIGKILL');
      await expectRestarted(server, killed);
      const { runId } = await until('a run is accepted', begin);
      await expectCompleted(runId);
      expect((await plane.events()).slice(0, before.length)).toEqual(before);
    },
    timeoutMs,
  );

  test.each([
    ['nats', 'ChangeSetComputed'],
    ['nats', 'SegmentPrepared'],
    ['postgres', 'AssignmentBuilt'],
  ])(
    'completes a run although %s is killed after %s',
    async (server, type) => {
      const { runId, before } = await begin();
      await plane.untilEvent(type, before);
      const killed = plane.signal(server, 'SIGKILL');
      await expectRestarted(server, killed);
      await expectCompleted(runId);
    },
    timeoutMs,
  );

  test.each(['RunStarted', 'AssignmentBuilt', 'CommitIssued'])(
    'completes a run although the control plane is killed after %s',
    async (type) => {
      const { runId, before } = await begin();
      await plane.untilEvent(type, before);
      const seen: FeedEvent[] = await plane.events();
      await plane.kill('SIGKILL');
      for (const node of plane.nodes) {
        expect(Object.keys(treeOf(plane.live(node, 'www'))).length).toBeGreaterThan(3_000);
      }
      await plane.restart();
      expect((await plane.events()).slice(0, seen.length)).toEqual(seen);
      await expectCompleted(runId);
    },
    timeoutMs,
  );

  test(
    'ends in good order, and leaves no process behind',
    async () => {
      const pids = Object.values(plane.pids());
      expect(pids).toHaveLength(6);
      const { code, stdout } = await plane.kill('SIGTERM');
      expect(code).toBe(0);
      expect(stdout.trim().split('\n')).toHaveLength(1);
      const left = await Promise.all(pids.map(identityOf));
      expect(left.filter((identity) => identity !== undefined)).toEqual([]);
    },
    timeoutMs,
  );
});
