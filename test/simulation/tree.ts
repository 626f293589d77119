import { parseArgs } from 'node:util';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { bestBreadthMs, fluidBoundMs, pipelinedBoundMs } from '#libs/tree/best-breadth.js';
import { planTrees } from '#libs/tree/plan.js';
import { predict } from '#libs/tree/predict.js';
import type { Load, PlanLeader, TreePlan } from '#libs/tree/tree-plan.js';

/*
 * Plans played through in simulated time, beside the limits that no plan can beat: equal links,
 * unequal links, leaders that die, and all trees tried for up to six leaders.
 */
const { values: options } = parseArgs({
  options: {
    leaders: { type: 'string', default: '10,100,300,1000' },
    trials: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const mb = 1_000_000;
const gigabitPerS = 125 * mb;
/** What is simulated as one: a block, or more of them where blocks would be millions. */
const batchOf = (sizeBytes: number) => (sizeBytes > 100_000_000 ? 1024 * 1024 : 65_536);
const latencyMs = 20;
const random = seededRandom(Number(options.seed));
const between = (low: number, high: number) => low + (high - low) * random();

function equalLinks(count: number, sizeBytes: number): Load {
  const links = { upBytesPerS: gigabitPerS, downBytesPerS: gigabitPerS, latencyMs };
  const leaders = Array.from({ length: count }, (_, index) => ({ name: `l${index}`, ...links }));
  return { originUpBytesPerS: gigabitPerS, leaders, sizeBytes, batchBytes: batchOf(sizeBytes) };
}

function unequalLinks(count: number, sizeBytes: number): Load {
  const leaders: PlanLeader[] = Array.from({ length: count }, (_, index) => ({
    name: `l${index}`,
    upBytesPerS: (gigabitPerS / 10) * 10 ** between(0, 1),
    downBytesPerS: (gigabitPerS / 10) * 10 ** between(0.3, 1),
    latencyMs: between(5, 75),
  }));
  return { originUpBytesPerS: gigabitPerS, leaders, sizeBytes, batchBytes: batchOf(sizeBytes) };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** One plan beside the limit: of the links, and once the latency of the farthest leader. */
function play(links: 'equal' | 'unequal', load: Load, plan: TreePlan = planTrees(load)) {
  const { doneMs, sentBytes, receivedBytes } = predict(plan, load);
  const done = load.leaders.map(({ name }) => doneMs.get(name) ?? Number.POSITIVE_INFINITY);
  const farthestMs = Math.max(...load.leaders.map((leader) => leader.latencyMs));
  const boundMs = farthestMs + (links === 'equal' ? pipelinedBoundMs(load) : fluidBoundMs(load));
  const [p50Ms, p99Ms, lastMs] = [0.5, 0.99, 1].map((share) => quantile(done, share)) as [
    number,
    number,
    number,
  ];
  return {
    links,
    leaders: load.leaders.length,
    sizeBytes: load.sizeBytes,
    shape: plan.shape,
    stripes: plan.trees.length,
    p50Ms,
    p99Ms,
    lastMs,
    boundMs,
    lastOverBound: lastMs / boundMs,
    originCopies: (sentBytes.get('origin') ?? 0) / load.sizeBytes,
    mostCopiesIn: Math.max(...receivedBytes.values()) / load.sizeBytes,
  };
}

/** A tenth of the leaders dies within the first half; the others must have everything. */
function playDeaths(count: number, sizeBytes: number) {
  const load = equalLinks(count, sizeBytes);
  const plan = planTrees(load);
  const quiet = quantile([...predict(plan, load).doneMs.values()], 1);
  const atMs = new Map<string, number>();
  for (const { name } of load.leaders) if (random() < 0.1) atMs.set(name, between(0, quiet / 2));
  const { doneMs, sentBytes } = predict(plan, load, { atMs, noticeMs: 1_000 });
  const alive = load.leaders.filter(({ name }) => !atMs.has(name));
  const reached = alive.filter(({ name }) => doneMs.has(name)).length;
  const lastMs = Math.max(...alive.map(({ name }) => doneMs.get(name) ?? 0));
  const originCopies = (sentBytes.get('origin') ?? 0) / sizeBytes;
  return {
    leaders: count,
    sizeBytes,
    died: atMs.size,
    alive: alive.length,
    reached,
    lastMs,
    withoutDeathsMs: quiet,
    ratio: lastMs / quiet,
    originCopies,
  };
}

/** Small assignments and few leaders: the plan beside the best of all trees. */
function tryAllTrees(trials: number) {
  const ratios: number[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const load = unequalLinks(2 + (trial % 5), 10 ** between(3, 8));
    const whole = { ...load, batchBytes: load.sizeBytes };
    const plan = planTrees(whole);
    const lastMs = Math.max(...predict(plan, whole).doneMs.values());
    ratios.push(lastMs / bestBreadthMs(whole));
  }
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  return { trials, mean, p99: quantile(ratios, 0.99), worst: Math.max(...ratios) };
}

const counts = options.leaders.split(',').map(Number);
const sizes = [10_000, 10 * mb, 1_000 * mb];
const equal = counts.flatMap((count) =>
  sizes.map((size) => play('equal', equalLinks(count, size))),
);
const unequal = counts.flatMap((count) =>
  sizes.map((size) => play('unequal', unequalLinks(count, size))),
);
const deaths = counts.map((count) => playDeaths(count, 1_000 * mb));
const allTrees = tryAllTrees(Number(options.trials));
const figures = { seed: Number(options.seed), equal, unequal, deaths, allTrees };

if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
else for (const line of lines()) process.stdout.write(`${line}\n`);
if (deaths.some(({ alive, reached }) => alive !== reached)) process.exitCode = 1;

function lines(): string[] {
  const s = (ms: number) => `${(ms / 1_000).toFixed(3)} s`;
  return [
    ...[...equal, ...unequal].map(
      (row) =>
        `${row.links.padEnd(8)} ${String(row.leaders).padStart(5)} leaders ` +
        `${String(row.sizeBytes / mb).padStart(7)} MB  ${row.shape} x${row.stripes}  ` +
        `p50 ${s(row.p50Ms)} p99 ${s(row.p99Ms)} last ${s(row.lastMs)}  ` +
        `limit ${s(row.boundMs)} = ${row.lastOverBound.toFixed(2)}  ` +
        `origin sent ${row.originCopies.toFixed(2)}, most into a link ` +
        `${row.mostCopiesIn.toFixed(2)} copies`,
    ),
    ...deaths.map(
      ({ leaders, died, reached, alive, lastMs, ratio, originCopies }) =>
        `deaths   ${String(leaders).padStart(5)} leaders, ${died} died, ${reached} of ${alive} ` +
        `reached in ${s(lastMs)} = ${ratio.toFixed(2)} of the quiet time, ` +
        `origin sent ${originCopies.toFixed(2)} copies`,
    ),
    `all trees, 2 to 6 leaders, ${allTrees.trials} trials: mean ${allTrees.mean.toFixed(3)}, ` +
      `p99 ${allTrees.p99.toFixed(3)}, worst ${allTrees.worst.toFixed(3)} of the best`,
  ];
}
