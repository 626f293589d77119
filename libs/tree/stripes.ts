import { transferMs } from './breadth.js';
import { origin } from './hand-out.js';
import type { Load, PlanLeader, Tree, TreePlan } from './tree-plan.js';

/** A leader that forwards in one tree, and to how many. */
interface Forwarder {
  readonly leader: PlanLeader;
  readonly children: number;
}

/** Rates are tried in steps, each so much below the one before; below one that suffices, all do. */
const rateStep = 0.98;
const maxRateSteps = 400;

/**
 * `count` trees over the same leaders, for one stripe each. A leader forwards in as few trees as
 * its uplink fills (mostly one: the trees are interior-disjoint), so that nobody sends more than
 * its share and everybody receives at the rate of the whole. The rate is the highest at which the
 * uplinks suffice: with equal links it is that of a single transfer.
 * @returns undefined when it cannot take less than `underMs`, found out before trees are made
 */
export function stripeTrees(
  load: Load,
  count: number,
  underMs = Number.POSITIVE_INFINITY,
): TreePlan | undefined {
  const { leaders, sizeBytes, batchBytes, originUpBytesPerS } = load;
  const rate = highestRate(load, count);
  const slowest = Math.min(...leaders.map(({ downBytesPerS }) => downBytesPerS));
  const wholeMs = transferMs(sizeBytes, Math.min(rate, slowest));
  if (wholeMs >= underMs) return undefined;
  const perStripe = rate / count;
  const originChildren = Math.floor(originUpBytesPerS / perStripe / count);
  const forwarders = assignForwarders(load, count, rate, originChildren);
  const trees = forwarders.map((own) => growTree(leaders, own, Math.max(1, originChildren)));
  const hop = hopMs(load, forwarders, batchBytes);
  const estimateMs = wholeMs + Math.max(...trees.map(depthOf)) * hop;
  return { shape: 'stripes', trees, estimateMs };
}

function highestRate(load: Load, count: number): number {
  const { leaders, originUpBytesPerS } = load;
  const uplinks = leaders.reduce((sum, { upBytesPerS }) => sum + upBytesPerS, originUpBytesPerS);
  const fastest = Math.max(...leaders.map(({ downBytesPerS }) => downBytesPerS));
  const rate = Math.min(originUpBytesPerS, uplinks / leaders.length, fastest);
  const rateOf = (step: number) => rate * rateStep ** step;
  let [least, most] = [0, maxRateSteps];
  while (least < most) {
    const middle = Math.floor((least + most) / 2);
    if (suffices(load, count, rateOf(middle))) most = middle;
    else least = middle + 1;
  }
  return least < maxRateSteps ? rateOf(least) : originUpBytesPerS / leaders.length;
}

/** Whether the uplinks can carry `count` stripes of a `count`th of the rate to every leader. */
function suffices({ leaders, originUpBytesPerS }: Load, count: number, rate: number): boolean {
  const fromOrigin = Math.floor(originUpBytesPerS / (rate / count) / count) * count;
  let links = fromOrigin;
  for (const leader of leaders) links += childrenOf(leader, count, rate, leaders.length);
  return fromOrigin >= count && links >= leaders.length * count;
}

/** How many stripes a leader can forward; none when it cannot even receive at the rate. */
function childrenOf(leader: PlanLeader, count: number, rate: number, leaderCount: number): number {
  if (leader.downBytesPerS < rate) return 0;
  const links = Math.floor(leader.upBytesPerS / (rate / count) + 1e-9);
  return Math.min(links, (leaderCount - 1) * count);
}

/** Gives each leader to the stripe that lacks most; what that cannot use, to the next. */
function assignForwarders(
  { leaders }: Load,
  count: number,
  rate: number,
  originChildren: number,
): Forwarder[][] {
  const stripes: Forwarder[][] = Array.from({ length: count }, () => []);
  const lacking = stripes.map(() => leaders.length - originChildren);
  const able = leaders
    .map((leader) => ({ leader, children: childrenOf(leader, count, rate, leaders.length) }))
    .sort((a, b) => b.children - a.children);
  for (const { leader, children } of able) {
    for (let left = children; left > 0; ) {
      const neediest = lacking.indexOf(Math.max(...lacking));
      const needed = lacking[neediest] ?? 0;
      if (needed <= 0) break;
      const given = Math.min(left, needed);
      stripes[neediest]?.push({ leader, children: given });
      lacking[neediest] = needed - given;
      left -= given;
    }
  }
  return stripes;
}

/** Level by level: those who forward to most come first, those who forward nothing last. */
function growTree(
  leaders: readonly PlanLeader[],
  forwarders: readonly Forwarder[],
  originChildren: number,
): Tree {
  const forwarded = new Map(forwarders.map(({ leader, children }) => [leader.name, children]));
  const first = [...forwarders].sort((a, b) => b.children - a.children);
  const last = leaders.filter(({ name }) => !forwarded.has(name));
  const order = [...first.map(({ leader }) => leader), ...last];
  const tree = new Map<string, string>();
  const open = [{ name: origin, left: originChildren }];
  let at = 0;
  for (const { name } of order) {
    while (open[at]?.left === 0) at++;
    const source = open[at];
    if (source) source.left--;
    tree.set(name, source?.name ?? origin);
    const children = forwarded.get(name) ?? 0;
    if (children > 0) open.push({ name, left: children });
  }
  return tree;
}

function depthOf(tree: Tree): number {
  const depths = new Map([[origin, 0]]);
  let deepest = 0;
  for (const [leader, source] of tree) {
    const depth = (depths.get(source) ?? 0) + 1;
    depths.set(leader, depth);
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** How much later the next level has a batch: latency, and the turns of a source's children. */
function hopMs(
  { leaders, originUpBytesPerS }: Load,
  forwarders: readonly (readonly Forwarder[])[],
  batchBytes: number,
): number {
  const latencyMs = Math.max(0, ...leaders.map((leader) => leader.latencyMs)) * 2;
  const turnMs = forwarders.flatMap((own) =>
    own.map(({ leader, children }) => transferMs(batchBytes * children, leader.upBytesPerS)),
  );
  return latencyMs + Math.max(transferMs(batchBytes, originUpBytesPerS), ...turnMs);
}
