import { describe, expect, test } from '@jest/globals';
import { event, JobType, NodeStatus, type RecordedEvent } from '#libs/contracts/index.js';
import { evolveFleet, type Fleet, newFleet, registrationLagMs } from './fleet.js';
import { type Attempts, attemptKey, nextRetryMs, repairsDue, sitesOfServer } from './tending.js';

const tree = (byte: number) => new Uint8Array(32).fill(byte);
const nowMs = 100_000;

function fleetOf(...happened: { type: string; data: unknown }[]): Fleet {
  return happened.reduce((fleet, { type, data }, index) => {
    const recorded = { type, data, sequence: index + 1, timeMs: index, context: { actor: 'test' } };
    return evolveFleet(fleet, recorded as unknown as RecordedEvent);
  }, newFleet());
}

const all = { membership: { case: 'all', value: true } } as const;
const group = event('GroupCreated', { group: 'web', site: 'www', membership: all });
const live = event('ShadowMoved', { site: 'www', sequence: 3n, treeDigest: tree(3) });
const requested = event('RunRequested', { runId: 'run-1', site: 'www' });
const closed = event('RunClosed', { runId: 'run-1' });
const segment = (served: Record<string, number>) =>
  event('SegmentChanged', {
    segment: 'paris',
    members: Object.entries(served).map(([node, byte]) => ({
      node,
      liveVersions: byte === 0 ? [] : [{ site: 'www', treeDigest: tree(byte) }],
    })),
  });
const switched = (node: string, byte: number) =>
  event('SegmentSwitched', {
    ...{ runId: 'run-1', segment: 'paris' },
    nodes: [{ node, status: NodeStatus.SWITCHED, treeDigest: tree(byte) }],
  });
const due = (fleet: Fleet, attempts: Attempts = new Map(), atMs = nowMs) =>
  repairsDue(fleet, attempts, atMs).map(({ type, nodes }) => [type, ...nodes]);

describe('repairs', () => {
  test('synchronize servers that serve something else than what is live', () => {
    const fleet = fleetOf(group, live, segment({ a: 3, b: 2, c: 0 }));
    expect(due(fleet)).toEqual([[JobType.SYNCHRONIZE, 'b', 'c']]);
  });

  test('replicate to servers that are all new', () => {
    expect(due(fleetOf(group, live, segment({ a: 3, c: 0 })))).toEqual([[JobType.REPLICATE, 'c']]);
  });

  test('leave servers alone that no group selects', () => {
    expect(due(fleetOf(live, segment({ a: 0 })))).toEqual([]);
  });

  test('wait for the run of the site that is under way', () => {
    expect(due(fleetOf(group, live, segment({ a: 2 }), requested))).toEqual([]);
    expect(due(fleetOf(group, live, segment({ a: 2 }), requested, closed))).toHaveLength(1);
  });

  test('believe a report of a switch more than a registration, for a moment', () => {
    const fleet = fleetOf(group, live, requested, switched('a', 3), segment({ a: 2 }), closed);
    expect(due(fleet, new Map(), registrationLagMs)).toEqual([]);
    expect(due(fleet, new Map(), registrationLagMs + 10)).toHaveLength(1);
  });

  test('have the same id wherever they are decided, and another one after another run', () => {
    const id = (fleet: Fleet) => repairsDue(fleet, new Map(), nowMs)[0]?.runId;
    const before = fleetOf(group, live, segment({ a: 2 }));
    expect(id(before)).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(id(before)).toBe(id(fleetOf(group, live, segment({ a: 2 }))));
    expect(id(before)).not.toBe(id(fleetOf(group, live, segment({ a: 2 }), requested, closed)));
  });

  test('are tried again later and later, from nothing, until another tree is live', () => {
    const fleet = fleetOf(group, live, segment({ a: 2 }));
    const failed = (count: number) =>
      new Map([[attemptKey('www', 'a'), { tree: '03'.repeat(32), count, lastAtMs: nowMs }]]);
    expect(due(fleet, failed(1), nowMs + 9_999)).toEqual([]);
    expect(due(fleet, failed(1), nowMs + 10_000)).toEqual([[JobType.REPLICATE, 'a']]);
    expect(nextRetryMs(failed(3))).toBe(nowMs + 40_000);
    expect(nextRetryMs(failed(30))).toBe(nowMs + 600_000);
    const moved = event('ShadowMoved', { site: 'www', sequence: 4n, treeDigest: tree(4) });
    const later = fleetOf(group, live, segment({ a: 2 }), moved);
    expect(due(later, failed(5))).toEqual([[JobType.SYNCHRONIZE, 'a']]);
  });
});

describe('what a server is to serve', () => {
  const enrolled = event('NodeEnrolled', { node: 'new', segment: 'paris', labels: {} });

  test('is known when it has enrolled, before it registers', () => {
    const fleet = fleetOf(group, live, enrolled);
    expect(sitesOfServer(fleet, 'new', nowMs)).toEqual([{ site: 'www', tree: '03'.repeat(32) }]);
  });

  test('is nothing without a group that selects it', () => {
    expect(sitesOfServer(fleetOf(live, enrolled), 'new', nowMs)).toEqual([]);
  });
});
