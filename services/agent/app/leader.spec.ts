import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import {
  AssignmentReportSchema,
  type IngressReport,
  NextLeaderSchema,
  NodeStatus,
  NotificationSchema,
  RegisterSchema,
} from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { SpoolFailed } from '../adapters/pull-request.js';
import { unicastSources } from './announcements.js';
import { Leader, type LeaderOptions } from './leader.js';

type Report = IngressReport['report'];

const tree = Buffer.alloc(32, 1);
const notification = create(NotificationSchema, {
  assignmentId: 'www-1',
  runId: 'run',
  containerDigest: Buffer.alloc(32, 2),
  containerBytes: 10n,
  source: 'origin',
  nodes: ['a', 'b'],
});
const prepared = (node: string) =>
  create(AssignmentReportSchema, {
    node,
    assignmentId: 'www-1',
    status: NodeStatus.PREPARED,
    treeDigest: tree,
  });

/** A clock that nobody sets has fractions. */
const pullMs = 12.7;

/** A leader named `a` with one member, `b`, of whom all that it does is written down. */
function leader(
  changes: Partial<LeaderOptions['runtime']> = {},
  pull: () => Promise<void> = async () => undefined,
) {
  const clock = new VirtualClock();
  const pulls: string[] = [];
  const told: string[] = [];
  const published: Report[] = [];
  const nexts = [create(NextLeaderSchema, { segment: 'tokyo' })];
  const runtime = {
    members: [],
    leader: undefined,
    isLeader: true,
    isRunning: true,
    collectReports: async () => [prepared('a'), prepared('b')],
    ...changes,
  };
  let resolve: () => void = () => undefined;
  const done = new Promise<void>((settled) => {
    resolve = settled;
  });
  const it = new Leader({
    ...{ node: 'a', segment: 'paris', httpUrl: 'http://a', memberGraceMs: 1_000 },
    clock,
    runtime,
    link: {
      nextLeader: async () => {
        const next = nexts.pop();
        const httpUrl = 'http://next';
        return { ...(next && { next }), signedNext: Buffer.from('signed'), httpUrl } as never;
      },
    },
    puller: {
      pull: async ({ assignmentId }) => {
        pulls.push(assignmentId ?? '');
        clock.advance(pullMs);
        await pull();
        return { path: '/spool/1', bytes: 10, retries: 0, sourceUrl: '', links: [] };
      },
    },
    multicast: async () => ({ multicastBytes: 0, repairBytes: 0, unicast: [] }) as never,
    hearsMulticast: () => false,
    announce: () => undefined,
    tell: async (url) => void told.push(url),
    signedTree: async () => tree,
    executeHere: () => undefined,
    publish: async (kind, report) => {
      published.push(report);
      if (kind === 'assignment') resolve();
    },
    log: () => undefined,
  });
  return { it, pulls, told, published, done };
}

const reportsOf = (published: readonly Report[]) =>
  published.flatMap((report) => (report.case === 'assignment' ? [report.value.nodes] : []));

test('a leader pulls, tells the next one, and reports for all members', async () => {
  const { it, pulls, told, published, done } = leader();
  it.notified(notification);
  await done;
  expect(pulls).toEqual(['www-1']);
  expect(told).toEqual(['http://next/notification']);
  expect(published.map((report) => report.case)).toEqual(['received', 'assignment']);
  expect(published[0]?.value).toMatchObject({ bytes: 10n, durationMs: 13n });
  expect(reportsOf(published)[0]?.map(({ node }) => node)).toEqual(['a', 'b']);
});

test('a replayed notification has nothing pulled again, only the report repeated', async () => {
  const { it, pulls, told, published, done } = leader();
  it.notified(notification);
  it.notified(notification);
  await done;
  it.notified(notification);
  expect(pulls).toEqual(['www-1']);
  expect(told).toHaveLength(1);
  const [first, again, ...more] = reportsOf(published);
  expect(again).toEqual(first);
  expect(more).toEqual([]);
});

test('Leader Alive repeats the tree: who missed it does not turn to the leader', async () => {
  const nodes = ['a', 'b', 'c', 'd', 'e'];
  const members = nodes.map((node) => ({
    register: create(RegisterSchema, { node, httpUrl: `http://${node}` }),
  }));
  const { it } = leader({ members, collectReports: () => new Promise(() => undefined) });
  it.notified({ ...notification, nodes, containerBytes: 2n ** 30n });
  await new Promise(setImmediate);
  const [repeated, ...more] = it.announcements();
  expect(more).toEqual([]);
  expect(repeated && unicastSources(repeated, 'b').sourceUrls).toEqual(['http://a']);
  expect(repeated && unicastSources(repeated, 'e').sourceUrls).toEqual(['http://b', 'http://a']);
});

const failures: [string, Error, string][] = [
  ['whose disk is full', new SpoolFailed('no space left'), 'no space left'],
  ['that gets it too late', new AssignmentRefused('expired', 'over since 1970'), 'over since 1970'],
];
test.each(failures)(
  'a leader %s forwards nothing and fails at once for all',
  async (_, error, reason) => {
    const { it, told, published, done } = leader({}, () => Promise.reject(error));
    it.notified(notification);
    await done;
    expect(told).toEqual([]);
    expect(published.map((report) => report.case)).toEqual(['assignment']);
    const [nodes = []] = reportsOf(published);
    expect(nodes.map(({ node, status }) => [node, status])).toEqual([
      ['a', NodeStatus.FAILED],
      ['b', NodeStatus.FAILED],
    ]);
    for (const { error } of nodes) expect(error).toContain(reason);
  },
);
