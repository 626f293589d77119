import { parseArgs } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { PlannedLeaderSchema } from '#libs/contracts/index.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { pipelinedBoundMs } from '#libs/tree/best-breadth.js';
import { planTrees } from '#libs/tree/plan.js';
import { type Deaths, nobodyDies, predict } from '#libs/tree/predict.js';
import type { Load, PlanLeader, TreePlan } from '#libs/tree/tree-plan.js';
import { distributionAggregate } from '#services/tree-planner/domain/distribution.js';

/*
 * One distribution, planned by the product's planner and played through in simulated time, batch by
 * batch; beside it the limit that no plan can beat. With `--rate-spread 10` links differ by up to
 * ten times; with `--failing-percent 5` so many leaders die while it goes on.
 */
const { values: options } = parseArgs({
  options: {
    leaders: { type: 'string', default: '1000' },
    'size-mb': { type: 'string', default: '1024' },
    'rate-mbit': { type: 'string', default: '1000' },
    'batch-kib': { type: 'string', default: '256' },
    'rtt-ms': { type: 'string', default: '20' },
    'rate-spread': { type: 'string', default: '1' },
    'failing-percent': { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const noticeMs = 1_000;
const random = seededRandom(Number(options.seed));
const load = makeLoad();
const rates = load.leaders.map(({ downBytesPerS }) => downBytesPerS);
const [plan, planMs] = timed(() => planTrees(load));
const deaths = failing(plan);
const { doneMs, sentBytes, receivedBytes } = predict(plan, load, deaths);
const reachable = load.leaders.filter(({ name }) => !deaths.atMs.has(name));
const done = reachable.map(({ name }) => doneMs.get(name) ?? Number.POSITIVE_INFINITY);
const seconds = Math.max(...done) / 1_000;
const p99Seconds = quantile(done, 0.99) / 1_000;
const limitSeconds = limitMs() / 1_000;
const figures = {
  leaders: load.leaders.length,
  sizeBytes: load.sizeBytes,
  rateBytesPerS: load.originUpBytesPerS,
  batchBytes: load.batchBytes,
  rttMs: Number(options['rtt-ms']),
  seconds,
  limitSeconds,
  ratio: seconds / limitSeconds,
  p99Seconds,
  p99Ratio: p99Seconds / limitSeconds,
  planMs,
  nextMsP99: quantile(answerNext(), 0.99),
  shape: plan.shape,
  stripes: plan.trees.length,
  failed: deaths.atMs.size,
  reached: done.filter(Number.isFinite).length,
  originCopies: (sentBytes.get('origin') ?? 0) / load.sizeBytes,
  maxCopiesPerLink:
    [...receivedBytes.values()].reduce((a, b) => Math.max(a, b), 0) / load.sizeBytes,
};
if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
else process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
if (figures.reached !== reachable.length) process.exitCode = 1;

function makeLoad(): Load {
  const rate = (Number(options['rate-mbit']) * 1_000_000) / 8;
  const spread = Number(options['rate-spread']);
  const some = () => rate / spread ** random();
  const leaders = Array.from({ length: Number(options.leaders) }, (_, at): PlanLeader => {
    const [upBytesPerS, downBytesPerS] = [some(), some()];
    return { name: `l${at}`, upBytesPerS, downBytesPerS, latencyMs: Number(options['rtt-ms']) / 2 };
  });
  const sizeBytes = Number(options['size-mb']) * 1_000_000;
  const batchBytes = Number(options['batch-kib']) * 1_024;
  return { originUpBytesPerS: rate, leaders, sizeBytes, batchBytes };
}

/** Equal links: optimal pipelined broadcast. Others: what the slowest link in use needs alone. */
function limitMs(): number {
  if (Number(options['rate-spread']) === 1) return pipelinedBoundMs(load);
  const slowest = rates.reduce((least, rate) => Math.min(least, rate), Number.POSITIVE_INFINITY);
  return (load.sizeBytes * 1_000) / slowest;
}

/** Leaders that die at some time of the distribution. */
function failing({ estimateMs }: TreePlan): Deaths {
  const share = Number(options['failing-percent']) / 100;
  if (share === 0) return nobodyDies;
  const doomed = load.leaders.filter(() => random() < share);
  return { atMs: new Map(doomed.map(({ name }) => [name, random() * estimateMs])), noticeMs };
}

/** How long the planner's decision takes when a leader asks who is next, in milliseconds. */
function answerNext(): number[] {
  const { decide, evolve, initial } = distributionAggregate;
  const segments = new Map(load.leaders.map(({ name }) => [name, { leader: `${name}-1` }]));
  const leaders = load.leaders.map(({ name }) =>
    create(PlannedLeaderSchema, { segment: name, leader: `${name}-1` }),
  );
  const ids = { assignmentId: 'a', runId: 'r' };
  const apply = (state: typeof initial, command: Parameters<typeof decide>[0]) =>
    decide(command, state).reduce(evolve, state);
  let state = apply(initial, { type: 'plan', ...ids, leaders, originFanOut: 2 });
  const told = load.leaders[0]?.name ?? '';
  const tellings = [{ segment: told, leader: `${told}-1` }];
  state = apply(state, { type: 'notify', tellings, source: 'origin' });
  const askers = load.leaders.slice(0, 500).map(({ name }) => name);
  return askers.map((asker) => {
    const command = { type: 'hand-on', asker, segments } as Parameters<typeof decide>[0];
    const [after, tookMs] = timed(() => apply(state, command));
    state = after;
    return tookMs;
  });
}

function timed<T>(action: () => T): [T, number] {
  const startedMs = performance.now();
  return [action(), performance.now() - startedMs];
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
