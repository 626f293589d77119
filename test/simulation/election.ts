import { parseArgs } from 'node:util';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { fastTimings, standardTimings } from '#libs/election/timings.js';
import { measureFailovers, percentile } from './election-failovers.js';

/*
 * How long a segment is without a leader after one dies: product code, virtual time, one seed.
 *   npm run sim:election -- --nodes 50 --loss 0.1 --kills 1000 --seed 1 --json
 */
const { values: options } = parseArgs({
  options: {
    nodes: { type: 'string', default: '50' },
    loss: { type: 'string', default: '0.1' },
    kills: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    timings: { type: 'string', default: 'fast' },
    json: { type: 'boolean', default: false },
  },
});
const conditions = {
  nodes: Number(options.nodes),
  loss: Number(options.loss),
  kills: Number(options.kills),
  seed: Number(options.seed),
  timings: options.timings === 'standard' ? standardTimings : fastTimings,
};
const startedMs = systemClock.nowMs();
const found = measureFailovers(conditions);
const { failoversMs, falseElections, twoLeadersMs, simulatedMs, datagrams } = found;
const p = (share: number) => percentile(failoversMs, share);
const summary = {
  ...conditions,
  timings: options.timings,
  leaderAlivePeriodMs: conditions.timings.election.leaderAlivePeriodMs,
  silenceLimitMs: conditions.timings.election.silenceLimitMs,
  converged: failoversMs.length,
  reconvergeMs: { p50: p(0.5), p90: p(0.9), p99: p(0.99), max: p(1) },
  limitMs: { p99: 8_000, max: 10_000 },
  falseElections,
  falseElectionsPerHour: (falseElections * 3_600_000) / simulatedMs,
  twoLeaderMs: twoLeadersMs,
  twoLeadersShare: twoLeadersMs / simulatedMs,
  simulatedMs,
  datagrams,
  wallMs: systemClock.nowMs() - startedMs,
};
if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
else process.stdout.write(`${JSON.stringify(summary, undefined, 2)}\n`);
