import { create } from '@bufbuild/protobuf';
import {
  LeaderOrder,
  type PlannedLeader,
  PlannedLeaderSchema,
  type RunTarget,
} from '#libs/contracts/index.js';
import { orderLeaders, type RankedLeader } from '#libs/tree/order.js';
import type { PlannerView } from './planner-view.js';
import { leaderIn, type Origins, originRttUs, placeOf } from './reach.js';
import type { TreePolicy } from './tree-policy.js';

/**
 * The leaders of the targeted segments in the order in which they are handed out: an
 * administrator's, else the policy's. A segment without a known leader comes last, with an empty
 * leader, and gets its turn when one appears.
 */
export function planLeaders(
  targets: readonly RunTarget[],
  view: PlannerView,
  policy: TreePolicy,
  origins: Origins,
): PlannedLeader[] {
  const ranked = targets.map((target) => {
    const segment = view.segments.get(target.segment);
    return { ...rankOf(target.segment, view), target, segment };
  });
  return inOrder(orderLeaders(ranked), view, policy, origins).map(({ target, segment }) =>
    create(PlannedLeaderSchema, {
      segment: target.segment,
      leader: segment?.leader ?? '',
      httpUrl: segment?.httpUrl ?? '',
      nodes: target.nodes,
    }),
  );
}

function rankOf(name: string, view: PlannerView): RankedLeader {
  const leader = leaderIn(view.segments.get(name));
  return {
    name,
    cpuCount: leader?.capacity?.cpuCount ?? 0,
    cpuMhz: leader?.capacity?.cpuMhz ?? 0,
    location: placeOf(view, name).location,
  };
}

/** Sorts stably: what the policy holds for equal stays fastest first. */
function inOrder<L extends { readonly name: string }>(
  leaders: readonly L[],
  view: PlannerView,
  policy: TreePolicy,
  origins: Origins,
): L[] {
  const key = keyOf(view, policy, origins);
  return [...leaders].sort((a, b) => key(a.name) - key(b.name) || 0);
}

/** What comes first has the least. */
function keyOf(
  view: PlannerView,
  policy: TreePolicy,
  origins: Origins,
): (segment: string) => number {
  const last = Number.MAX_VALUE;
  if (policy.situation === 'fixed') {
    const places = new Map(policy.order.map((segment, at) => [segment, at]));
    return (segment) => places.get(segment) ?? last;
  }
  switch (policy.orderBy) {
    case LeaderOrder.DISTANCE:
      return (segment) => originRttUs(view, segment, origins) ?? last;
    case LeaderOrder.RELIABILITY:
      return (segment) => {
        const { received = 0, failed = 0 } = view.history.get(segment) ?? {};
        // Laplace: who has not been tried stands between good and bad.
        return (failed + 1) / (received + failed + 2);
      };
    default:
      return () => 0;
  }
}
