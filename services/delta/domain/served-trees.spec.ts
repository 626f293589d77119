import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import {
  AssignmentReportSchema,
  type DomainEvent,
  event,
  JobType,
  NodeStatus,
  type RecordedEvent,
  RegisterSchema,
} from '#libs/contracts/index.js';
import { evolveServed, nothingServed, treesServed } from './served-trees.js';

const digest = (byte: number) => new Uint8Array(32).fill(byte);
const hex = (byte: number) => Buffer.from(digest(byte)).toString('hex');
const served = (...events: DomainEvent[]) => {
  const state = events.reduce(
    (before, happened) => evolveServed(before, happened as RecordedEvent),
    nothingServed,
  );
  return [...treesServed(state, 'www')].sort();
};
const registered = (segment: string, trees: Record<string, number>) =>
  event('SegmentChanged', {
    segment,
    members: Object.entries(trees).map(([node, byte]) =>
      create(RegisterSchema, {
        node,
        liveVersions: [{ site: 'www', sequence: 1n, treeDigest: digest(byte) }],
      }),
    ),
  });
const started = event('RunStarted', { runId: 'r1', site: 'www', type: JobType.PUBLISH });
const switched = (node: string, byte: number, status = NodeStatus.SWITCHED) =>
  event('SegmentSwitched', {
    runId: 'r1',
    segment: 'paris',
    nodes: [create(AssignmentReportSchema, { node, status, treeDigest: digest(byte) })],
  });

test('trees are served by what registered them, and by what switched to them since', () => {
  const paris = registered('paris', { p1: 1, p2: 1 });
  expect(served(paris, registered('rome', { r1: 2 }))).toEqual([hex(1), hex(2)]);
  expect(served(paris, started, switched('p1', 3))).toEqual([hex(1), hex(3)]);
  expect(served(paris, started, switched('p1', 3), switched('p2', 3))).toEqual([hex(3)]);
});

test('a switch that failed changes nothing, and another site is another matter', () => {
  const paris = registered('paris', { p1: 1 });
  expect(served(paris, started, switched('p1', 3, NodeStatus.FAILED))).toEqual([hex(1)]);
  const other = event('RunStarted', { runId: 'r1', site: 'shop', type: JobType.PUBLISH });
  expect(served(paris, other, switched('p1', 3))).toEqual([hex(1)]);
});

test('a server that its segment misses for the moment still serves its tree', () => {
  expect(served(registered('paris', { p1: 1, p2: 2 }), registered('paris', { p1: 1 }))).toEqual([
    hex(1),
    hex(2),
  ]);
});

test('a server that was removed serves nothing that must be kept', () => {
  const paris = registered('paris', { p1: 1, p2: 2 });
  expect(served(paris, event('NodeRemoved', { node: 'p2' }))).toEqual([hex(1)]);
});
