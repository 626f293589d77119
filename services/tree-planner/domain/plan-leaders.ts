import { create } from '@bufbuild/protobuf';
import { type PlannedLeader, PlannedLeaderSchema, type RunTarget } from '#libs/contracts/index.js';
import { orderLeaders, type RankedLeader } from '#libs/tree/order.js';
import type { PlannerView, SegmentEntry } from './planner-view.js';

/**
 * The leaders of the targeted segments in the order in which they are handed out. A segment without
 * a known leader comes last, with an empty leader, and gets its turn when one appears.
 */
export function planLeaders(targets: readonly RunTarget[], view: PlannerView): PlannedLeader[] {
  const ranked = targets.map((target) => {
    const segment = view.segments.get(target.segment);
    return { ...rankOf(target.segment, segment), target, segment };
  });
  return orderLeaders(ranked).map(({ target, segment }) =>
    create(PlannedLeaderSchema, {
      segment: target.segment,
      leader: segment?.leader ?? '',
      httpUrl: segment?.httpUrl ?? '',
      nodes: target.nodes,
    }),
  );
}

function rankOf(name: string, segment: SegmentEntry | undefined): RankedLeader {
  const leader = segment?.members.find(({ node }) => node === segment.leader);
  return {
    name,
    cpuCount: leader?.capacity?.cpuCount ?? 0,
    cpuMhz: leader?.capacity?.cpuMhz ?? 0,
    location: leader?.labels.location ?? '',
  };
}
