import { origin } from '#libs/tree/hand-out.js';
import type { Tree, TreePlan } from '#libs/tree/tree-plan.js';

/**
 * The plan with the sources that an administrator named. Who would then wait for itself pulls from
 * the origin instead; a named source that does not receive the assignment at all is left out.
 */
export function withFixedSources(plan: TreePlan, sources: ReadonlyMap<string, string>): TreePlan {
  return { ...plan, trees: plan.trees.map((tree) => fixedTree(tree, sources)) };
}

function fixedTree(tree: Tree, sources: ReadonlyMap<string, string>): Tree {
  const fixed = new Map(tree);
  for (const [segment, source] of sources) {
    if (tree.has(segment) && (source === origin || tree.has(source))) fixed.set(segment, source);
  }
  for (const segment of fixed.keys()) {
    if (!sources.has(segment) && comesBack(fixed, segment)) fixed.set(segment, origin);
  }
  return fixed;
}

function comesBack(tree: Tree, segment: string): boolean {
  const seen = new Set<string>();
  let at = tree.get(segment);
  while (at !== undefined && at !== segment && !seen.has(at)) {
    seen.add(at);
    at = tree.get(at);
  }
  return at === segment;
}
