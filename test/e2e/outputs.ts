import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { ControlPlane, Published } from '#test/support/control-plane.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;

/** What the commands say of runs, events and the fleet. */
export function outputs(planeOf: () => ControlPlane): void {
  describe('after a run', () => {
    let plane: ControlPlane;
    let staging: string;
    let published: Published;

    beforeAll(async () => {
      plane = planeOf();
      staging = await plane.createSite('told', '--node', 'paris-1', '--node', 'tokyo-2');
      writeFileSync(join(staging, 'index.html'), 'told');
      published = await plane.publish('told');
    }, timeoutMs);

    test('its events tell it from the request to the end, in order', async () => {
      const { stdout } = await plane.cli('events', '--run', published.runId, '-o', 'json');
      const events: RunEvent[] = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(new Set(events.map(({ correlationid }) => correlationid))).toEqual(
        new Set([published.runId]),
      );
      const sequences = events.map(({ sequence }) => sequence);
      expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
      const types = events.map(({ type }) => type.slice(type.lastIndexOf('.') + 1));
      const milestones = types.filter((type) => wholeRun.includes(type));
      expect(milestones.filter((type, at) => type !== milestones[at - 1])).toEqual(wholeRun);
      const table = await plane.cli('events', '--run', published.runId);
      expect(table.stdout.trim().split('\n')).toHaveLength(events.length);
    });

    test('its description names every server and link', async () => {
      const { code, stdout } = await plane.cli('describe', 'run', published.runId);
      expect(code).toBe(0);
      for (const text of [published.runId, 'completed', 'told-1', 'told-2', 'paris-1', 'tokyo-2']) {
        expect(stdout).toContain(text);
      }
      const detail = await plane.json<{ nodes: unknown[]; links: unknown[] }>(
        'describe',
        'run',
        published.runId,
      );
      expect(detail).toMatchObject({
        run: { runId: published.runId, site: 'told', status: 'completed' },
        nodes: [
          { node: 'paris-1', status: 'switched', error: '' },
          { node: 'tokyo-2', status: 'switched', error: '' },
        ],
      });
      expect(detail.links.length).toBeGreaterThanOrEqual(2);
    });

    test('a run that does not exist cannot be described', async () => {
      const ended = await plane.cli('describe', 'run', '01a202a8-19e0-72c4-b6f2-0152a62b676a');
      expect(ended).toMatchObject({ code: 1, stdout: '' });
      expect(ended.stderr).toContain('01a202a8-19e0-72c4-b6f2-0152a62b676a');
    });

    test.each([
      ['sites', { name: 'told', liveSequence: '1' }],
      ['groups', { name: 'told', site: 'told', nodes: ['paris-1', 'tokyo-2'] }],
      ['nodes', { name: 'paris-1', segment: 'paris', status: 'online' }],
      ['segments', { name: 'tokyo', members: 2 }],
      ['runs', { site: 'told', status: 'completed', nodesSwitched: 2, nodesTotal: 2 }],
      ['assignments', { id: 'told-2', site: 'told', sequence: '2' }],
    ])('get %s lists it, as JSON and as a table', async (kind, row) => {
      const list = await plane.json<Record<string, unknown[]>>('get', kind);
      expect(list[kind]).toContainEqual(expect.objectContaining(row));
      const { code, stdout } = await plane.cli('get', kind);
      expect(code).toBe(0);
      expect(stdout.trim().split('\n').length).toBe((list[kind]?.length ?? 0) + 1);
    });

    test(
      'events that are followed come while they happen',
      async () => {
        const follower = plane.follow('events', '--follow', '-o', 'json');
        await until('the follower is at work', () => follower.output.stdout.includes('RunClosed'));
        writeFileSync(join(staging, 'index.html'), 'told again');
        const { runId } = await plane.publish('told');
        const isEnd = (line: string) => line.includes(runId) && line.includes('RunCompleted');
        await until('the follower tells the end', () =>
          follower.output.stdout.split('\n').some(isEnd),
        );
        follower.kill('SIGINT');
        expect((await follower.ended).code).toBe(130);
      },
      timeoutMs,
    );
  });
}

interface RunEvent {
  readonly type: string;
  readonly sequence: number;
  readonly correlationid: string;
}

const wholeRun = [
  'RunRequested',
  'RunStarted',
  'ChangeSetComputed',
  'AssignmentBuilt',
  'DistributionPlanned',
  'SegmentPrepared',
  'CommitIssued',
  'AssignmentBuilt',
  'DistributionPlanned',
  'SegmentSwitched',
  'RunCompleted',
  'RunClosed',
];
