import { transferMs } from './breadth.js';
import { origin } from './hand-out.js';
import type { Load, PlanLeader } from './tree-plan.js';

/** More leaders than this are too many to try all trees. */
export const mostLeadersToTry = 6;

interface Holder {
  readonly name: string;
  readonly upBytesPerS: number;
  readonly latencyMs: number;
  readonly freeAtMs: number;
}

/**
 * The shortest time in which whole transfers can reach everybody: tries every order and every
 * source. For comparison only.
 * @throws RangeError for more than `mostLeadersToTry` leaders
 */
export function bestBreadthMs({ leaders, originUpBytesPerS, sizeBytes }: Load): number {
  if (leaders.length > mostLeadersToTry) throw new RangeError('too many leaders to try all trees');
  let bestMs = Number.POSITIVE_INFINITY;
  const extend = (holders: readonly Holder[], left: readonly PlanLeader[], endMs: number): void => {
    if (endMs >= bestMs) return;
    if (left.length === 0) {
      bestMs = endMs;
      return;
    }
    for (const leader of left) {
      const rest = left.filter((other) => other !== leader);
      for (const holder of holders) {
        const rate = Math.min(holder.upBytesPerS, leader.downBytesPerS);
        const latencyMs = holder.latencyMs + leader.latencyMs;
        const doneMs = holder.freeAtMs + latencyMs + transferMs(sizeBytes, rate);
        const busyMs = holder.freeAtMs + transferMs(sizeBytes, holder.upBytesPerS);
        const others = holders.filter((other) => other !== holder);
        const grown = [...others, { ...holder, freeAtMs: busyMs }, { ...leader, freeAtMs: doneMs }];
        extend(grown, rest, Math.max(endMs, doneMs));
      }
    }
  };
  const first = { name: origin, upBytesPerS: originUpBytesPerS, latencyMs: 0, freeAtMs: 0 };
  extend([first], leaders, 0);
  return bestMs;
}

/** With equal links: one batch goes out while the one before it goes on (one-port, full duplex). */
export function pipelinedBoundMs(load: Load): number {
  const batches = Math.ceil(load.sizeBytes / load.batchBytes);
  const rounds = batches - 1 + Math.ceil(Math.log2(load.leaders.length + 1));
  return rounds * transferMs(load.batchBytes, load.originUpBytesPerS);
}
