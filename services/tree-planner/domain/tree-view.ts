import { create } from '@bufbuild/protobuf';
import {
  LeaderOrder,
  type PlannedLeader,
  RunTargetSchema,
  type TreeLeader,
  TreeLeaderSchema,
  type TreeQuery,
  type TreeView,
  TreeViewSchema,
} from '#libs/contracts/index.js';
import { origin } from '#libs/tree/hand-out.js';
import type { HandOutConfig } from '../config.js';
import { planLeaders } from './plan-leaders.js';
import { planFor, withTrees } from './plan-trees.js';
import type { PlannerView } from './planner-view.js';
import { isLeaf, leaderIn, type Origins, originRttUs, placeOf, regionOf } from './reach.js';
import { automatic, everySite, type TreePolicy } from './tree-policy.js';

/** Of the site, else of every site. */
export function policyFor({ trees }: Pick<PlannerView, 'trees'>, site: string): TreePolicy {
  return trees.get(site) ?? trees.get(everySite) ?? automatic;
}

/** Who would pull from whom if an assignment of this size went to all segments now. */
export function treeView(
  { site, sizeBytes, segments }: TreeQuery,
  view: PlannerView,
  origins: Origins,
  config: HandOutConfig,
): TreeView {
  const policy = policyFor(view, site);
  const wanted = new Set(segments);
  const targets = [...view.segments.values()]
    .filter(({ segment }) => wanted.size === 0 || wanted.has(segment))
    .map(({ segment, members }) =>
      create(RunTargetSchema, { segment, nodes: members.map(({ node }) => node) }),
    );
  const inOrder = planLeaders(targets, view, policy, origins);
  const size = Number(sizeBytes);
  const { leaders } = withTrees(inOrder, size, view, policy, origins, config);
  const plan = planFor(inOrder, size, view, policy, origins);
  const [whole = new Map<string, string>()] = plan.trees;
  const sources = new Map(
    leaders.map(({ segment, stripes }) => {
      const planned = stripes.map((stripe) => stripe.sources[0] ?? origin);
      return [segment, planned.length > 0 ? planned : [whole.get(segment) ?? origin]];
    }),
  );
  const sent = bytesSent(sources.values(), size);
  return create(TreeViewSchema, {
    site: site || everySite,
    isFixed: policy.situation === 'fixed',
    orderBy: policy.situation === 'fixed' ? LeaderOrder.UNSPECIFIED : policy.orderBy,
    sizeBytes,
    shape: plan.shape,
    estimateMs: BigInt(Math.round(plan.estimateMs)),
    originBytesOut: BigInt(sent.get(origin) ?? 0),
    leaders: leaders.map((leader) => ({
      ...leaderView(leader, view, origins),
      sources: [...(sources.get(leader.segment) ?? [])],
      bytesIn: sizeBytes,
      bytesOut: BigInt(sent.get(leader.segment) ?? 0),
    })),
  });
}

/** What each source sends: a share of the whole for every stripe that is taken from it. */
function bytesSent(
  sourcesOfLeaders: Iterable<readonly string[]>,
  sizeBytes: number,
): ReadonlyMap<string, number> {
  const sent = new Map<string, number>();
  for (const sources of sourcesOfLeaders) {
    for (const source of sources) {
      sent.set(source, Math.round((sent.get(source) ?? 0) + sizeBytes / sources.length));
    }
  }
  return sent;
}

function leaderView(
  { segment, leader, httpUrl }: PlannedLeader,
  view: PlannerView,
  origins: Origins,
): TreeLeader {
  const { capacity } = leaderIn(view.segments.get(segment)) ?? {};
  const { location, timeZone, region: stated } = placeOf(view, segment);
  const { received = 0, failed = 0 } = view.history.get(segment) ?? {};
  const region = stated || regionOf(view, segment, origins);
  const bytesPerS = (rates: ReadonlyMap<string, { readonly bytesPerS: number }>) =>
    BigInt(Math.round(rates.get(segment)?.bytesPerS ?? 0));
  return create(TreeLeaderSchema, {
    segment,
    name: view.names.get(segment) || segment,
    ...{ leader, httpUrl, location, timeZone, region, received, failed },
    cpuCount: capacity?.cpuCount ?? 0,
    cpuMhz: capacity?.cpuMhz ?? 0,
    diskFreeBytes: capacity?.diskFreeBytes ?? 0n,
    connections: capacity?.connections ?? 0,
    upBytesPerS: bytesPerS(view.rates.up),
    downBytesPerS: bytesPerS(view.rates.down),
    rttUs: originRttUs(view, segment, origins) ?? 0,
    isLeaf: isLeaf(view, segment),
  });
}
