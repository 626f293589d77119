import { describe, expect, it } from '@jest/globals';
import { SimulatedSegment } from '#libs/testkit/simulated-segment.js';
import { measureFailovers } from './election-failovers.js';
import { liveWithLoss, liveWithoutLoss } from './election-life.js';

const seeds = Array.from({ length: 100 }, (_, n) => n + 1);

describe('100 random lives', () => {
  it('without loss: a component at rest never has two leaders for longer than one period', () => {
    for (const seed of seeds) expect(() => liveWithoutLoss(seed)).not.toThrow();
  });

  it('at 10 % loss, with deaf and stalled nodes: one leader soon after the last fault', () => {
    for (const seed of seeds) expect(() => liveWithLoss(seed)).not.toThrow();
  });

  it('agents that claim in one instant elect exactly one', () => {
    for (const seed of seeds) {
      const segment = new SimulatedSegment(seed, { minDelayMs: 5, maxDelayMs: 5 });
      for (let n = 0; n < 3 + (seed % 20); n++) segment.start(`node-${n}`, 7n);
      segment.passUntil(() => segment.isSettled(), 2_500);
      const terms = [...segment.agents.values()].map((agent) => agent.segment.leader?.term);
      expect(new Set(terms).size).toBe(1);
    }
  });
});

describe('a large segment', () => {
  it('of 50 agents at 10 % loss has its next leader within 10 s of the death of one', () => {
    const conditions = { nodes: 50, loss: 0.1, kills: 10, seed: 3 };
    const { failoversMs, falseElections } = measureFailovers(conditions);
    expect(failoversMs).toHaveLength(10);
    expect(Math.max(...failoversMs)).toBeLessThanOrEqual(10_000);
    expect(falseElections).toBe(0);
  });

  it('of 500 agents at 5 % loss is registered within 15 s of its start', () => {
    const segment = new SimulatedSegment(5, { lossRate: 0.05 });
    for (let n = 0; n < 500; n++) segment.start(`node-${n}`, BigInt(1 + n));
    const isComplete = () =>
      segment.leaders().some((name) => segment.agent(name).segment.members.length === 500);
    expect(segment.passUntil(isComplete, 15_000)).toBeLessThanOrEqual(15_000);
  });
});
