import { expect, it } from '@jest/globals';
import { SimulatedSegment } from '#libs/testkit/simulated-segment.js';
import { standardTimings } from './timings.js';

it.each([1, 2, 3])(
  'a leader knows 500 members within 15 s of its election at 5 %% loss (seed %i)',
  (seed) => {
    const count = 500;
    const segment = new SimulatedSegment(seed, { lossRate: 0.05, timings: standardTimings });
    for (let n = 0; n < count; n++) segment.start(`node-${n}`, BigInt(n));
    segment.passUntil(() => segment.isSettled(), 60_000);
    const [leader = ''] = segment.leaders();
    const isComplete = () => segment.agent(leader).segment.members.length === count;
    expect(segment.passUntil(isComplete, 15_000)).toBeLessThanOrEqual(15_000);
  },
  120_000,
);
