import { fastTimings, type SegmentTimings } from '#libs/election/timings.js';
import { SimulatedSegment } from '#libs/testkit/simulated-segment.js';

export interface FailoverConditions {
  readonly nodes: number;
  /** Share of the datagrams lost on the way to one receiver, 0 to 1. */
  readonly loss: number;
  /** How many leaders are killed, one after the other. */
  readonly kills: number;
  readonly seed: number;
  readonly timings?: SegmentTimings;
}

export interface Failovers {
  /** Per kill: from the death of the leader until everybody follows the same next one. */
  readonly failoversMs: readonly number[];
  /** Votes that deposed a living leader, or that began while one lived. */
  readonly falseElections: number;
  /** Time in which two nodes led at once. */
  readonly twoLeadersMs: number;
  readonly simulatedMs: number;
  /** Datagrams handed over, by the message's name. */
  readonly datagrams: Readonly<Record<string, number>>;
}

const stepMs = 10;
const restMs = 3_000;
const limitMs = 120_000;

/**
 * Kills the leader, waits for the next, starts the dead node anew, lets all rest; and so on.
 * @throws when a segment does not settle within 120 s
 */
export function measureFailovers(conditions: FailoverConditions): Failovers {
  const { nodes, loss, kills, seed, timings = fastTimings } = conditions;
  const segment = new SimulatedSegment(seed, { lossRate: loss, maxDelayMs: 2, timings });
  for (let n = 0; n < nodes; n++) segment.start(`node-${n}`, BigInt(100 + n));
  const startedMs = segment.clock.nowMs();
  let twoLeadersMs = 0;
  let falseElections = 0;
  const settle = (): number => {
    const fromMs = segment.clock.nowMs();
    while (!segment.isSettled()) {
      if (segment.clock.nowMs() - fromMs > limitMs) throw new Error('the segment does not settle');
      segment.clock.advance(stepMs);
      if (segment.leaders().length > 1) twoLeadersMs += stepMs;
    }
    return segment.clock.nowMs() - fromMs;
  };
  const rest = () => {
    segment.trace.length = 0;
    for (let passedMs = 0; passedMs < restMs; passedMs += stepMs) {
      segment.clock.advance(stepMs);
      if (segment.leaders().length > 1) twoLeadersMs += stepMs;
    }
    falseElections += segment.trace.filter((line) => line.includes('leader-silent')).length;
  };
  settle();
  const failoversMs = Array.from({ length: kills }, () => {
    rest();
    const [leader = ''] = segment.leaders();
    if (leader === '') settle();
    segment.crash(leader);
    const tookMs = settle();
    segment.start(leader, BigInt(100 + Number(leader.slice(5))));
    return tookMs;
  });
  const simulatedMs = segment.clock.nowMs() - startedMs;
  const datagrams = Object.fromEntries(segment.network.delivered);
  return { failoversMs, falseElections, twoLeadersMs, simulatedMs, datagrams };
}

/** The smallest value that is not below the given share of all. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
