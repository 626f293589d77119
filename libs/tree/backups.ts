import { origin } from './hand-out.js';
import type { Tree, TreePlan } from './tree-plan.js';

/** What one plan's backups are found with; computed once for each plan. */
interface Lookup {
  /** Stripe -> leader -> its number among its source's children. */
  readonly turns: readonly ReadonlyMap<string, number>[];
}

const lookups = new WeakMap<TreePlan, Lookup>();

/**
 * From whom a leader takes a stripe when its source is lost, best first. The sources of the lost
 * one in the other stripes each have a transfer less to serve; every orphan goes to another of
 * them. One that itself waits for the orphan is left out, so that nobody waits for each other.
 */
export function backupsOf(plan: TreePlan, leader: string, stripe: number): string[] {
  const { trees } = plan;
  const tree = trees[stripe];
  const lost = tree?.get(leader);
  if (!tree || lost === undefined || lost === origin) return [origin];
  const turn = lookupOf(plan).turns[stripe]?.get(leader) ?? 0;
  const candidates = trees.map(
    (_, index) => trees[(stripe + turn + index) % trees.length]?.get(lost) ?? origin,
  );
  const usable = candidates.filter(
    (candidate) => candidate !== origin && !isBelow(tree, candidate, leader),
  );
  return [...new Set([...usable, origin])];
}

/** Whether `name` gets a stripe, directly or not, from `ancestor`, or is it. */
export function isBelow(tree: Tree, name: string, ancestor: string): boolean {
  for (let at: string | undefined = name; at !== undefined; at = tree.get(at)) {
    if (at === ancestor) return true;
  }
  return false;
}

function lookupOf(plan: TreePlan): Lookup {
  const known = lookups.get(plan);
  if (known) return known;
  const lookup = { turns: plan.trees.map(turnsIn) };
  lookups.set(plan, lookup);
  return lookup;
}

function turnsIn(tree: Tree): Map<string, number> {
  const counts = new Map<string, number>();
  const turns = new Map<string, number>();
  for (const [leader, source] of tree) {
    const turn = counts.get(source) ?? 0;
    turns.set(leader, turn);
    counts.set(source, turn + 1);
  }
  return turns;
}
