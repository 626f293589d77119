import { describe, expect, test } from '@jest/globals';
import { event, NodeStatus, type RecordedEvent } from '#libs/contracts/index.js';
import { evolveFleet, newFleet, registrationLagMs, serversOf } from './fleet.js';

const tree = (byte: number) => new Uint8Array(32).fill(byte);
const registered = (byte: number, drifted = 0, unhealthy = '') =>
  event('SegmentChanged', {
    segment: 'paris',
    leader: 'a',
    members: [
      { node: 'a', liveVersions: [{ site: 'www', treeDigest: tree(byte), drifted, unhealthy }] },
    ],
  });
const requested = event('RunRequested', { runId: 'run-1', site: 'www' });
const switched = event('SegmentSwitched', {
  ...{ runId: 'run-1', segment: 'paris' },
  nodes: [{ node: 'a', status: NodeStatus.SWITCHED, treeDigest: tree(2) }],
});

/** The only server, after events at 0, 1, 2 ms ... */
function server(nowMs: number, ...happened: { type: string; data: unknown }[]) {
  const fleet = happened.reduce((before, { type, data }, index) => {
    const recorded = { type, data, sequence: index + 1, timeMs: index, context: { actor: 'test' } };
    return evolveFleet(before, recorded as unknown as RecordedEvent);
  }, newFleet());
  return [...serversOf(fleet, 'www', nowMs)][0];
}

describe('files of a server that are not as they were signed', () => {
  const later = registrationLagMs + 10;

  test('are those of the tree that it serves', () => {
    expect(server(later, registered(1, 2))).toMatchObject({ drifted: 2 });
    expect(server(later, requested, switched, registered(2, 3))).toMatchObject({ drifted: 3 });
  });

  test('are forgotten with the tree that they were in', () => {
    const events = [requested, registered(1, 2), switched];
    expect(server(1, ...events)).toMatchObject({ drifted: 0 });
    expect(server(later, ...events, registered(2))).toMatchObject({ drifted: 0 });
  });
});

test('a server that was removed is none, not even one that would be missed', () => {
  const enrolled = event('NodeEnrolled', { node: 'a', segment: 'paris' });
  const removed = event('NodeRemoved', { node: 'a' });
  const left = event('SegmentChanged', { segment: 'paris' });
  expect(server(1, enrolled)).toMatchObject({ name: 'a', registered: false });
  expect(server(1, enrolled, removed)).toBeUndefined();
  expect(server(1, enrolled, registered(1), removed, left)).toBeUndefined();
  expect(server(1, enrolled, removed, enrolled)).toMatchObject({ name: 'a' });
});

test('a server is as unhealthy as it said of the tree that it serves now', () => {
  const later = registrationLagMs + 10;
  const ill = registered(1, 0, 'HTTP 503');
  expect(server(later, ill)).toMatchObject({ unhealthy: 'HTTP 503' });
  expect(server(1, requested, ill, switched)).toMatchObject({ unhealthy: '' });
  expect(server(later, ill, registered(1))).toMatchObject({ unhealthy: '' });
});
