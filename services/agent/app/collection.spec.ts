import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import {
  type AssignmentReport,
  AssignmentReportSchema,
  NodeStatus,
  RegisterSchema,
} from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { collectUntilSettled } from './collection.js';

const roundMs = 1_000;

/** A segment in which each member reports at a given time, or never. */
function segment(reportsAtMs: Record<string, number>, registered: () => readonly string[]) {
  const clock = new VirtualClock();
  const asked: string[][] = [];
  const runtime = {
    isLeader: true,
    isRunning: true,
    leader: { node: 'a', term: 1n, httpUrl: '' },
    get members() {
      return registered().map((node) => ({ register: create(RegisterSchema, { node }) }));
    },
    async collectReports(assignmentId: string, nodes: readonly string[]) {
      asked.push([...nodes]);
      clock.advance(roundMs);
      return nodes.map((node): AssignmentReport => {
        const done = (reportsAtMs[node] ?? Number.POSITIVE_INFINITY) <= clock.nowMs();
        const status = done ? NodeStatus.PREPARED : NodeStatus.MISSING;
        return create(AssignmentReportSchema, { node, assignmentId, status });
      });
    },
  };
  const collect = (nodes: string[]) =>
    collectUntilSettled('www-1', nodes, { clock, runtime, memberGraceMs: 5_000 });
  return { clock, asked, collect, runtime };
}

describe('the collection of reports', () => {
  it('ends as soon as everybody has reported', async () => {
    const { collect, clock } = segment({ a: 0, b: 0 }, () => ['a', 'b']);
    const reports = await collect(['a', 'b']);
    expect(reports.map(({ status }) => status)).toEqual([NodeStatus.PREPARED, NodeStatus.PREPARED]);
    expect(clock.nowMs()).toBe(roundMs);
  });

  it('waits for a registered member that works for long, asking only it', async () => {
    const { collect, asked } = segment({ a: 0, b: 60_000 }, () => ['a', 'b']);
    const reports = await collect(['a', 'b']);
    expect(reports.map(({ status }) => status)).toEqual([NodeStatus.PREPARED, NodeStatus.PREPARED]);
    expect(asked.slice(1).every((nodes) => nodes.join() === 'b')).toBe(true);
  });

  it('gives a member that is gone up after its grace, and keeps the order', async () => {
    const { collect, clock } = segment({ b: 0 }, () => ['b']);
    const reports = await collect(['a', 'b']);
    expect(reports.map(({ node, status }) => [node, status])).toEqual([
      ['a', NodeStatus.MISSING],
      ['b', NodeStatus.PREPARED],
    ]);
    expect(clock.nowMs()).toBe(5_000);
  });

  it('ends at once at a leader that was deposed', async () => {
    const { collect, clock, runtime } = segment({}, () => []);
    runtime.isLeader = false;
    runtime.leader.node = 'b';
    await expect(collect(['a', 'b'])).rejects.toMatchObject({
      name: 'LeadershipLost',
      message: 'b leads the segment now',
    });
    expect(clock.nowMs()).toBe(roundMs);
  });

  it('ends at once at an agent that stops, whose segment answers nothing any more', async () => {
    const { collect, runtime } = segment({}, () => []);
    Object.assign(runtime, { isRunning: false, isLeader: false, leader: undefined });
    let rounds = 0;
    runtime.collectReports = async (assignmentId, nodes) => {
      rounds += 1;
      if (rounds > 100) throw new Error('it asks again and again');
      const status = NodeStatus.MISSING;
      return nodes.map((node) => create(AssignmentReportSchema, { node, assignmentId, status }));
    };
    await expect(collect(['a', 'b'])).rejects.toMatchObject({
      name: 'LeadershipLost',
      message: 'this agent stops',
    });
  });

  it('does not wait for ever for a member that never comes to an end', async () => {
    const { collect, clock } = segment({}, () => ['a']);
    const [report] = await collect(['a']);
    expect(report?.status).toBe(NodeStatus.MISSING);
    expect(clock.nowMs()).toBe(600_000);
  });
});
