import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { AssignmentReportSchema, NodeStatus } from '#libs/contracts/index.js';
import { SimulatedSegment } from '#libs/testkit/simulated-segment.js';
import type { Candidate } from './election-state.js';
import { controlMessage, leaderAlive } from './messages.js';
import { standardTimings } from './timings.js';

const news = { httpUrl: '', sessions: [], newestKeyEpoch: 0 };
const leaderAliveOf = (from: Candidate) => controlMessage(leaderAlive(from, news));

const names = (count: number) => Array.from({ length: count }, (_, n) => `node-${n + 1}`);

function segmentOf(count: number, seed = 1, conditions = {}): SimulatedSegment {
  const segment = new SimulatedSegment(seed, conditions);
  for (const [n, name] of names(count).entries()) segment.start(name, BigInt(10 * (n + 1)));
  return segment;
}

function prepared(node: string) {
  return create(AssignmentReportSchema, {
    node,
    assignmentId: 'a-1',
    status: NodeStatus.PREPARED,
  });
}

describe('a segment in virtual time', () => {
  it.each([1, 2, 3, 10, 50])(
    'of %i agents elects one leader in 1.2 s and knows all members',
    (count) => {
      const segment = segmentOf(count);
      const electedMs = segment.passUntil(() => segment.isSettled(), 1_200);
      const [leader = ''] = segment.leaders();
      const isComplete = () => segment.agent(leader).segment.members.length === count;
      const completeMs = electedMs + segment.passUntil(isComplete, 1_000);
      expect(completeMs).toBeLessThan(1_400);
      expect(segment.agent(leader).memberNames).toEqual(names(count).sort());
    },
  );

  it('tells the agent of its leader, with address and URL', () => {
    const segment = segmentOf(3);
    segment.passUntil(() => segment.isSettled(), 2_000);
    const [leader = ''] = segment.leaders();
    for (const [name, agent] of segment.agents) {
      const seen = agent.leadersSeen.at(-1);
      expect(seen).toMatchObject({ node: leader, httpUrl: `http://${leader}` });
      expect(seen?.from === undefined).toBe(name === leader);
    }
  });

  it('elects another leader within 6.5 s after the death of one', () => {
    const segment = segmentOf(5);
    segment.passUntil(() => segment.isSettled(), 2_000);
    const [dead = ''] = segment.leaders();
    segment.crash(dead);
    expect(segment.passUntil(() => segment.isSettled(), 6_500)).toBeGreaterThan(2_000);
    const [leader = ''] = segment.leaders();
    segment.clock.advance(500);
    expect(segment.agent(leader).memberNames).toEqual([...segment.agents.keys()].sort());
  });

  it('elects another leader in about a second when a leader says goodbye', () => {
    const segment = segmentOf(5);
    segment.passUntil(() => segment.isSettled(), 2_000);
    const [leaving = ''] = segment.leaders();
    segment.agent(leaving).segment.close();
    expect(segment.leaders()).toEqual([]);
    expect(segment.agent(leaving).segment.leader).toBeUndefined();
    segment.crash(leaving);
    segment.passUntil(() => segment.isSettled(), 1_500);
  });

  it('does not change its leader when a node of a higher priority joins', () => {
    const segment = segmentOf(3);
    segment.passUntil(() => segment.isSettled(), 2_000);
    const before = segment.leaders();
    segment.start('node-strong', 1_000_000n);
    segment.clock.advance(10_000);
    expect(segment.leaders()).toEqual(before);
    expect(segment.isSettled()).toBe(true);
  });

  it('never makes a node of priority 0 the leader', () => {
    const segment = new SimulatedSegment(1);
    segment.start('guest-1', 0n);
    segment.start('guest-2', 0n);
    segment.clock.advance(20_000);
    expect(segment.leaders()).toEqual([]);
    segment.start('node', 1n);
    segment.passUntil(() => segment.isSettled(), 2_000);
    expect(segment.leaders()).toEqual(['node']);
  });

  it('notices members that join, change, leave and fall silent', () => {
    const segment = segmentOf(3);
    segment.clock.advance(1_500);
    const [leader = ''] = segment.leaders();
    const { membersChanged } = segment.agent(leader);
    const [first = '', second = ''] = names(3).filter((name) => name !== leader);
    segment.start('late', 1n);
    segment.clock.advance(1_000);
    segment.agent(first).labels = { rack: '7' };
    segment.agent(first).segment.describeChanged();
    segment.clock.advance(200);
    segment.agent(second).segment.close();
    segment.clock.advance(200);
    segment.crash('late');
    segment.clock.advance(12_000);
    expect(membersChanged.slice(1)).toEqual([
      'joined late',
      `changed ${first}`,
      `left ${second}`,
      'silent late',
    ]);
    expect(segment.agent(leader).memberNames).toEqual([leader, first].sort());
  });

  it('registers everybody in spite of lost registrations and reports', () => {
    const segment = segmentOf(20, 3, { lossRate: 0.3 });
    const isComplete = () =>
      segment.leaders().some((name) => segment.agent(name).segment.members.length === 20);
    segment.passUntil(isComplete, 15_000);
  });

  it('sends its running sessions along with Leader Alive', () => {
    const segment = segmentOf(2);
    segment.passUntil(() => segment.isSettled(), 2_000);
    const [leader = ''] = segment.leaders();
    const member = names(2).find((name) => name !== leader) ?? '';
    segment.agent(leader).sessions = ['a-7'];
    segment.clock.advance(1_100);
    expect(segment.agent(member).sessionsHeard).toContain('a-7');
  });

  it('of 500 agents has registered all at 5 % loss within 15 s', () => {
    const segment = segmentOf(500, 3, { lossRate: 0.05 });
    segment.passUntil(() => segment.isSettled(), 5_000);
    const [leader = ''] = segment.leaders();
    segment.passUntil(() => segment.agent(leader).segment.members.length === 500, 10_000);
  });

  it('is nearly silent when idle', () => {
    const segment = segmentOf(3);
    segment.clock.advance(5_000);
    segment.network.delivered.clear();
    segment.clock.advance(60_000);
    const perMinute = Object.fromEntries(segment.network.delivered);
    expect(perMinute.leaderAlive).toBe(2 * 60);
    expect(perMinute.register).toBeLessThan(50);
    expect(perMinute.registrationReport).toBeLessThanOrEqual(12);
    expect(Object.keys(perMinute)).toHaveLength(3);
  });

  it('keeps its leader for an hour at 10 % loss', () => {
    const segment = segmentOf(5, 11, { lossRate: 0.1, timings: standardTimings });
    segment.passUntil(() => segment.isSettled(), 120_000);
    const changes = segment.trace.length;
    segment.clock.advance(3_600_000);
    expect(segment.trace.slice(changes).filter((line) => line.includes('window-closed'))).toEqual(
      [],
    );
    expect(segment.isSettled()).toBe(true);
  });

  it.each([
    ['the leader', 'node-3', 3_600_000],
    ['the leader', 'node-3', -3_600_000],
    ['a member', 'node-1', 3_600_000],
    ['a member', 'node-1', -3_600_000],
  ])('is as before soon after the clock of %s (%s) jumped by %i ms', (_who, name, byMs) => {
    const segment = segmentOf(3);
    segment.passUntil(() => segment.isSettled(), 2_000);
    segment.clock.advance(2_000);
    expect(segment.leaders()).toEqual(['node-3']);
    segment.network.shiftClock(name, byMs);
    segment.clock.advance(8_000);
    expect(segment.isSettled()).toBe(true);
    const [leader = ''] = segment.leaders();
    expect(segment.agent(leader).memberNames).toEqual(names(3));
  });

  it('ignores a word in the name of another node', () => {
    const segment = segmentOf(2);
    segment.passUntil(() => segment.isSettled(), 2_000);
    const before = segment.leaders();
    const { port } = segment.network.join('liar');
    port.broadcast(
      leaderAliveOf({
        node: before[0] === 'node-1' ? 'node-2' : 'node-1',
        term: 99n,
        priority: 99n,
      }),
    );
    segment.clock.advance(300);
    expect(segment.leaders()).toEqual(before);
    expect(segment.isSettled()).toBe(true);
  });
});

describe('reports of an assignment', () => {
  async function collect(segment: SimulatedSegment, participants: string[], options = {}) {
    const [leader = ''] = segment.leaders();
    const collected = segment.agent(leader).segment.collectReports('a-1', participants, options);
    return { leader, collected };
  }

  it('are complete when each participant has reported, the leader included', async () => {
    const segment = segmentOf(3);
    segment.clock.advance(2_000);
    const { collected } = await collect(segment, names(3));
    for (const [name, agent] of segment.agents) agent.segment.report(prepared(name));
    segment.clock.advance(10);
    expect((await collected).map(({ status }) => status)).toEqual(
      names(3).map(() => NodeStatus.PREPARED),
    );
  });

  it('count when they came before the leader began to collect', async () => {
    const segment = segmentOf(3);
    segment.clock.advance(2_000);
    for (const [name, agent] of segment.agents) agent.segment.report(prepared(name));
    segment.clock.advance(10);
    const { collected } = await collect(segment, names(3));
    expect((await collected).map(({ node }) => node)).toEqual(names(3));
  });

  it('are repeated on request until none is missing at 30 % loss', async () => {
    const segment = segmentOf(40, 5);
    segment.passUntil(() => segment.isSettled(), 2_000);
    segment.clock.advance(1_000);
    segment.network.setLossRate(0.3);
    const { collected } = await collect(segment, names(40));
    for (const [name, agent] of segment.agents) agent.segment.report(prepared(name));
    segment.clock.advance(6_000);
    const reports = await collected;
    expect(reports.filter(({ status }) => status !== NodeStatus.PREPARED)).toEqual([]);
  });

  it('that never come are MISSING, and late ones are handed over', async () => {
    const segment = segmentOf(3);
    segment.clock.advance(2_000);
    const { leader, collected } = await collect(segment, names(3), { requestLimit: 2 });
    segment.clock.advance(3_000);
    expect((await collected).map(({ status }) => status)).toEqual(
      names(3).map(() => NodeStatus.MISSING),
    );
    const member = names(3).find((name) => name !== leader) ?? '';
    segment.agent(member).segment.report(prepared(member));
    segment.clock.advance(10);
    expect(segment.agent(leader).lateReports.map(({ node }) => node)).toEqual([member]);
  });

  it('end early when another node leads', async () => {
    const segment = segmentOf(2);
    segment.clock.advance(2_000);
    const { leader, collected } = await collect(segment, names(2));
    segment.network.pause(leader);
    segment.clock.advance(8_000);
    segment.network.resume(leader);
    segment.clock.advance(10_000);
    expect(await collected).toHaveLength(2);
  });
});
