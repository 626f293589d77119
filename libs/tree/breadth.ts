import { origin } from './hand-out.js';
import { TimeQueue } from './time-queue.js';
import type { Load, PlanLeader, TreePlan } from './tree-plan.js';

interface Sender {
  readonly name: string;
  readonly upBytesPerS: number;
  readonly latencyMs: number;
  readonly freeAtMs: number;
}

/** For more leaders than this fewer orders are tried. */
const mostForAllOrders = 500;
/** How many senders are compared for each leader. */
const candidateCount = 4;

interface Grown {
  readonly tree: Map<string, string>;
  readonly endMs: number;
}

/**
 * One tree, each leader served by whoever can do so first; a leader serves when it has everything.
 * Where a transfer is short beside the latency this is nearly a star, where it is long it is a
 * binomial tree. Of a few orders of serving the best is taken: those who can pass on soonest first,
 * or those who take longest.
 */
export function breadthTree(load: Load): TreePlan {
  const { leaders, sizeBytes } = load;
  const takesMs = (leader: PlanLeader) =>
    transferMs(sizeBytes, leader.downBytesPerS) + leader.latencyMs;
  const passesOnMs = (leader: PlanLeader) =>
    takesMs(leader) + transferMs(sizeBytes, leader.upBytesPerS);
  const few = [
    stableSort(leaders, (a, b) => passesOnMs(a) - passesOnMs(b)),
    stableSort(leaders, (a, b) => takesMs(b) - takesMs(a)),
  ];
  const more = () => [leaders, ...helpersFirst(leaders, passesOnMs, takesMs)];
  const orders = leaders.length > mostForAllOrders ? few : [...more(), ...few];
  let best: Grown | undefined;
  for (const order of orders) {
    const grown = grow(order, load);
    if (!best || grown.endMs < best.endMs) best = grown;
  }
  const { tree, endMs } = best ?? { tree: new Map<string, string>(), endMs: 0 };
  return { shape: 'breadth', trees: [tree], estimateMs: endMs };
}

/** A few who pass on soonest, then the others by who takes longest. */
function helpersFirst(
  leaders: readonly PlanLeader[],
  passesOnMs: (leader: PlanLeader) => number,
  takesMs: (leader: PlanLeader) => number,
): PlanLeader[][] {
  const quick = stableSort(leaders, (a, b) => passesOnMs(a) - passesOnMs(b));
  const counts = leaders.length <= 8 ? leaders.map((_, index) => index) : [4, 16, 64];
  return counts
    .filter((count) => count > 0 && count < leaders.length)
    .map((count) => [
      ...quick.slice(0, count),
      ...stableSort(quick.slice(count), (a, b) => takesMs(b) - takesMs(a)),
    ]);
}

function grow(order: readonly PlanLeader[], { originUpBytesPerS, sizeBytes }: Load): Grown {
  const tree = new Map<string, string>();
  const senders = new TimeQueue<Sender>();
  const add = (sender: Sender) => senders.add(passedOnMs(sender, sizeBytes), sender);
  add({ name: origin, upBytesPerS: originUpBytesPerS, latencyMs: 0, freeAtMs: 0 });
  let endMs = 0;
  for (const leader of order) {
    const { sender, doneMs, others } = soonest(senders, leader, sizeBytes);
    for (const other of others) add(other);
    add({ ...sender, freeAtMs: sender.freeAtMs + transferMs(sizeBytes, sender.upBytesPerS) });
    tree.set(leader.name, sender.name);
    const { name, upBytesPerS, latencyMs } = leader;
    add({ name, upBytesPerS, latencyMs, freeAtMs: doneMs });
    endMs = Math.max(endMs, doneMs);
  }
  return { tree, endMs };
}

/** When a sender could be done with one more, if only its own link counted. */
function passedOnMs({ freeAtMs, upBytesPerS, latencyMs }: Sender, sizeBytes: number): number {
  return freeAtMs + transferMs(sizeBytes, upBytesPerS) + latencyMs;
}

/** Looks at those only who could be done first, so that thousands are planned at once. */
function soonest(senders: TimeQueue<Sender>, leader: PlanLeader, sizeBytes: number) {
  const candidates: Sender[] = [];
  for (let next = senders.take(); next; next = senders.take()) {
    candidates.push(next.item);
    if (candidates.length === candidateCount) break;
  }
  let found: { sender: Sender; doneMs: number } | undefined;
  for (const sender of candidates) {
    const doneMs = sender.freeAtMs + oneTransferMs(sender, leader, sizeBytes);
    if (!found || doneMs < found.doneMs) found = { sender, doneMs };
  }
  if (!found) throw new RangeError('there is always the origin');
  const { sender } = found;
  return { ...found, others: candidates.filter((other) => other !== sender) };
}

/** From the moment a sender turns to a leader until that one has everything. */
function oneTransferMs(
  sender: Pick<Sender, 'upBytesPerS' | 'latencyMs'>,
  leader: PlanLeader,
  sizeBytes: number,
): number {
  const bytesPerS = Math.min(sender.upBytesPerS, leader.downBytesPerS);
  return transferMs(sizeBytes, bytesPerS) + sender.latencyMs + leader.latencyMs;
}

export function transferMs(bytes: number, bytesPerS: number): number {
  return (bytes * 1_000) / bytesPerS;
}

function stableSort<T>(items: readonly T[], compare: (a: T, b: T) => number): T[] {
  return [...items].sort(compare);
}

/** No tree of whole transfers is faster: holders double at most with each. */
export function fastestBreadthMs({ leaders, sizeBytes }: Load): number {
  const rates = leaders.map(({ upBytesPerS, downBytesPerS }) =>
    Math.max(upBytesPerS, downBytesPerS),
  );
  const fastest = rates.reduce((most, rate) => Math.max(most, rate), 1);
  return Math.ceil(Math.log2(leaders.length + 1)) * transferMs(sizeBytes, fastest);
}
