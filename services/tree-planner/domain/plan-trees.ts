import { create } from '@bufbuild/protobuf';
import { blockBytes } from '#libs/assignment/container.js';
import { type PlannedLeader, PlannedStripeSchema } from '#libs/contracts/index.js';
import { backupsOf } from '#libs/tree/backups.js';
import { origin } from '#libs/tree/hand-out.js';
import { planTrees } from '#libs/tree/plan.js';
import { medianRate } from '#libs/tree/rate.js';
import type { Load, TreePlan } from '#libs/tree/tree-plan.js';
import type { HandOutConfig } from '../config.js';
import type { LinkRates } from './link-rates.js';

/** What links are taken for as long as nothing was measured: 100 Mbit/s, 40 ms there and back. */
const unmeasuredBytesPerS = 12_500_000;
const latencyMs = 20;
/** Below this a container comes whole: connections to several sources would cost more. */
export const smallestStripedBytes = 16 * blockBytes;
/** A leader's backups in a notification; the origin is always added. */
const backupCount = 1;

/** How many leaders the origin serves at a time. */
type FanOutLimits = Pick<HandOutConfig, 'originFanOut' | 'mostOriginFanOut'>;

export interface PlannedTrees {
  readonly leaders: readonly PlannedLeader[];
  readonly originFanOut: number;
}

/**
 * From whom each leader takes what, by the rates measured so far. Segments without a leader are
 * left as they are: they are handed to when one appears.
 */
export function withTrees(
  planned: readonly PlannedLeader[],
  containerBytes: number,
  rates: LinkRates,
  { originFanOut: least, mostOriginFanOut: most }: FanOutLimits,
): PlannedTrees {
  const plan = planTrees(loadOf(planned, containerBytes, rates));
  if (plan.shape === 'breadth' || containerBytes < smallestStripedBytes) {
    const [tree = new Map<string, string>()] = plan.trees;
    const fromOrigin = [...tree.values()].filter((source) => source === origin).length;
    const wide = plan.shape === 'breadth' ? fromOrigin : least;
    const originFanOut = Math.min(Math.max(wide, least), most);
    return { leaders: planned, originFanOut };
  }
  const leaders = planned.map((leader) =>
    leader.leader === '' ? leader : { ...leader, stripes: stripesOf(plan, leader.segment) },
  );
  return { leaders, originFanOut: planned.length };
}

function loadOf(
  planned: readonly PlannedLeader[],
  containerBytes: number,
  { up, down }: LinkRates,
): Load {
  const usualUp = medianRate(up.values(), unmeasuredBytesPerS);
  const usualDown = medianRate(down.values(), usualUp);
  return {
    originUpBytesPerS: up.get(origin)?.bytesPerS ?? usualUp,
    leaders: planned
      .filter(({ leader }) => leader !== '')
      .map(({ segment }) => ({
        name: segment,
        upBytesPerS: up.get(segment)?.bytesPerS ?? usualUp,
        downBytesPerS: down.get(segment)?.bytesPerS ?? usualDown,
        latencyMs,
      })),
    sizeBytes: containerBytes,
    batchBytes: blockBytes,
  };
}

function stripesOf(plan: TreePlan, segment: string) {
  return plan.trees.map((tree, stripe) => {
    const backups = backupsOf(plan, segment, stripe).filter((name) => name !== origin);
    const sources = [tree.get(segment) ?? origin, ...backups.slice(0, backupCount)];
    return create(PlannedStripeSchema, { sources });
  });
}
