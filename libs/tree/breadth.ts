import { origin } from './hand-out.js';
import type { Load, PlanLeader, TreePlan } from './tree-plan.js';

interface Sender {
  readonly name: string;
  readonly upBytesPerS: number;
  readonly latencyMs: number;
  freeAtMs: number;
}

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
  const orders = [
    leaders,
    stableSort(leaders, (a, b) => passesOnMs(a) - passesOnMs(b)),
    stableSort(leaders, (a, b) => takesMs(b) - takesMs(a)),
    ...helpersFirst(leaders, passesOnMs, takesMs),
  ];
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
  const senders: Sender[] = [
    { name: origin, upBytesPerS: originUpBytesPerS, latencyMs: 0, freeAtMs: 0 },
  ];
  let endMs = 0;
  for (const leader of order) {
    const { sender, doneMs } = soonest(senders, leader, sizeBytes);
    sender.freeAtMs += transferMs(sizeBytes, sender.upBytesPerS);
    tree.set(leader.name, sender.name);
    const { name, upBytesPerS, latencyMs } = leader;
    senders.push({ name, upBytesPerS, latencyMs, freeAtMs: doneMs });
    endMs = Math.max(endMs, doneMs);
  }
  return { tree, endMs };
}

function soonest(senders: readonly Sender[], leader: PlanLeader, sizeBytes: number) {
  let found: { sender: Sender; doneMs: number } | undefined;
  for (const sender of senders) {
    const doneMs = sender.freeAtMs + oneTransferMs(sender, leader, sizeBytes);
    if (!found || doneMs < found.doneMs) found = { sender, doneMs };
  }
  if (!found) throw new RangeError('there is always the origin');
  return found;
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
