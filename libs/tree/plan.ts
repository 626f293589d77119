import { breadthTree, fastestBreadthMs } from './breadth.js';
import { origin } from './hand-out.js';
import { stripeTrees } from './stripes.js';
import type { Load, TreePlan } from './tree-plan.js';

/** Four first: with fewer, one lost leader stops more; more are more connections. */
const stripeCounts = [4, 3, 2, 6, 8, 12, 16, 1];
/** What another plan must be faster by than the one before it. */
const worthIt = 0.95;
/** As many times as long take streams that share an uplink, measured: none gets just its part. */
const sharedTakes = 1.1;

/** The fastest of one tree and of several; of nearly equal ones the first tried. */
export function planTrees(load: Load): TreePlan {
  const { leaders, sizeBytes, batchBytes } = load;
  const batches = Math.ceil(sizeBytes / batchBytes);
  const mayStripe = batches >= 2 && leaders.length > 0;
  let best: TreePlan | undefined;
  let underMs = Number.POSITIVE_INFINITY;
  for (const count of mayStripe ? stripeCounts : []) {
    if (count > leaders.length || count > batches) continue;
    const candidate = stripeTrees(load, count, count > 1 ? underMs / sharedTakes : underMs);
    if (!candidate || withSharing(candidate) >= underMs) continue;
    best = candidate;
    underMs = withSharing(candidate) * worthIt;
  }
  if (best && best.estimateMs * worthIt <= fastestBreadthMs(load)) return best;
  const breadth = breadthTree(load);
  return best && best.estimateMs < breadth.estimateMs * worthIt ? best : breadth;
}

/** What to expect of stripes beside other stripes: a row of leaders shares no uplink. */
function withSharing({ trees: [first, ...others], estimateMs }: TreePlan): number {
  const sources = [...(first?.values() ?? [])];
  const isShared = others.length > 0 || new Set(sources).size < sources.length;
  return isShared ? estimateMs * sharedTakes : estimateMs;
}

/** Sources of a leader, one for each stripe. */
export function sourcesOf({ trees }: TreePlan, leader: string): string[] {
  return trees.map((tree) => tree.get(leader) ?? origin);
}
