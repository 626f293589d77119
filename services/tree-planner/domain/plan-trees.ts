import { create } from '@bufbuild/protobuf';
import { blockBytes } from '#libs/assignment/container.js';
import { type PlannedLeader, PlannedStripeSchema } from '#libs/contracts/index.js';
import { backupsOf } from '#libs/tree/backups.js';
import { origin } from '#libs/tree/hand-out.js';
import { planTrees } from '#libs/tree/plan.js';
import { medianRate } from '#libs/tree/rate.js';
import type { Load, TreePlan } from '#libs/tree/tree-plan.js';
import type { HandOutConfig } from '../config.js';
import { withFixedSources } from './fixed-tree.js';
import type { PlannerView } from './planner-view.js';
import { isLeaf, type Origins, originRttUs, regionOf } from './reach.js';
import type { TreePolicy } from './tree-policy.js';

/** What links are taken for as long as nothing was measured: 100 Mbit/s, 40 ms there and back. */
const unmeasuredBytesPerS = 12_500_000;
const unmeasuredRttUs = 40_000;
/** Of a leader that nobody can pull from: it is never worth waiting for. */
const leafBytesPerS = 1;
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

/** What is known of leaders and their links. */
type Fleet = Pick<PlannerView, 'segments' | 'places' | 'links' | 'rates'>;

/**
 * From whom each leader takes what, by the rates measured so far, or as an administrator says. Each
 * region has trees of its own below its own origin. Segments without a leader are left as they are:
 * they are handed to when one appears.
 */
export function withTrees(
  planned: readonly PlannedLeader[],
  containerBytes: number,
  fleet: Fleet,
  policy: TreePolicy,
  origins: Origins,
  limits: FanOutLimits,
): PlannedTrees {
  const regions = new Map<string, PlannedLeader[]>();
  for (const leader of planned) {
    const region = regionOf(fleet, leader.segment, origins);
    regions.set(region, [...(regions.get(region) ?? []), leader]);
  }
  const trees = [...regions.values()].map((own) =>
    inOneRegion(own, containerBytes, fleet, policy, origins, limits),
  );
  const leaders = new Map(trees.flatMap((tree) => tree.leaders.map((one) => [one.segment, one])));
  return {
    leaders: planned.map((leader) => leaders.get(leader.segment) ?? leader),
    originFanOut: Math.max(0, ...trees.map(({ originFanOut }) => originFanOut)),
  };
}

function inOneRegion(
  planned: readonly PlannedLeader[],
  containerBytes: number,
  fleet: Fleet,
  policy: TreePolicy,
  origins: Origins,
  { originFanOut: least, mostOriginFanOut: most }: FanOutLimits,
): PlannedTrees {
  const plan = planFor(planned, containerBytes, fleet, policy, origins);
  // Who shall pull from a certain leader is told at once, and waits for what comes to that one.
  const isFixed = policy.situation === 'fixed' && policy.sources.size > 0;
  if (!isFixed && (plan.shape === 'breadth' || containerBytes < smallestStripedBytes)) {
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

/** The plan for these leaders. */
export function planFor(
  planned: readonly PlannedLeader[],
  containerBytes: number,
  fleet: Fleet,
  policy: TreePolicy,
  origins: Origins,
): TreePlan {
  const plan = planTrees(loadOf(planned, containerBytes, fleet, origins));
  return policy.situation === 'fixed' ? withFixedSources(plan, policy.sources) : plan;
}

function loadOf(
  planned: readonly PlannedLeader[],
  containerBytes: number,
  fleet: Fleet,
  origins: Origins,
): Load {
  const { up, down } = fleet.rates;
  const usualUp = medianRate(up.values(), unmeasuredBytesPerS);
  const usualDown = medianRate(down.values(), usualUp);
  return {
    originUpBytesPerS: up.get(origin)?.bytesPerS ?? usualUp,
    leaders: planned
      .filter(({ leader }) => leader !== '')
      .map(({ segment }) => ({
        name: segment,
        upBytesPerS: isLeaf(fleet, segment)
          ? leafBytesPerS
          : (up.get(segment)?.bytesPerS ?? usualUp),
        downBytesPerS: down.get(segment)?.bytesPerS ?? usualDown,
        latencyMs: (originRttUs(fleet, segment, origins) ?? unmeasuredRttUs) / 2_000,
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
