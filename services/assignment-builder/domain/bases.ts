import { posixType } from '#libs/assignment/command-sets.js';
import type { ChangeSetComputed, RecordedEvent, RunTarget } from '#libs/contracts/index.js';
import type { RunStarted } from './run.js';

/**
 * Servers of a run that have the same tree to start from, and agents of one type. Digests are
 * lower-case hex.
 */
export interface BaseGroup {
  readonly agentType: string;
  /** Empty: nothing. Equal to the result: they have the wanted tree on disk. */
  readonly treeDigest: string;
  /** Empty for the empty tree. */
  readonly manifestDigest: string;
  readonly targets: readonly RunTarget[];
}

/** Tree digest -> manifest digest of all that was ever built for a site. */
export function treesInLedger(events: readonly RecordedEvent[]): ReadonlyMap<string, string> {
  const trees = new Map<string, string>();
  for (const { type, data } of events) {
    if (type !== 'AssignmentBuilt' || data.resultManifestDigest.length === 0) continue;
    trees.set(hex(data.resultTreeDigest), hex(data.resultManifestDigest));
  }
  return trees;
}

/**
 * The bases of a run, each with the servers that start from it. A server whose tree is not known
 * any more starts from nothing; one that the run says nothing of, from the change set's base.
 */
export function baseGroups(
  run: RunStarted,
  changes: ChangeSetComputed,
  known: ReadonlyMap<string, string>,
): BaseGroup[] {
  const result = hex(changes.resultTreeDigest);
  const primary = hex(changes.baseTreeDigest);
  const manifests = new Map([
    ...known,
    [result, hex(changes.resultManifestDigest)],
    [primary, hex(changes.baseManifestDigest)],
  ]);
  const baseOf = new Map<string, string>();
  for (const { treeDigest, nodes } of run.served) {
    const tree = hex(treeDigest);
    for (const node of nodes) baseOf.set(node, manifests.has(tree) ? tree : '');
  }
  for (const node of run.holders) baseOf.set(node, result);
  const typeOf = new Map(
    run.agentTypes.flatMap(({ agentType, nodes }) => nodes.map((node) => [node, agentType])),
  );
  const types = new Set([posixType, ...typeOf.values()]);
  const bases = new Set([primary, ...baseOf.values()]);
  const pairs = [...types].flatMap((type) => [...bases].map((base) => [type, base] as const));
  return pairs.flatMap(([agentType, treeDigest]) => {
    const targets = targetsWhere(run.targets, (node) => {
      const isOfType = (typeOf.get(node) ?? posixType) === agentType;
      return isOfType && (baseOf.get(node) ?? primary) === treeDigest;
    });
    if (targets.length === 0) return [];
    const manifestDigest = treeDigest === '' ? '' : (manifests.get(treeDigest) ?? '');
    return [{ agentType, treeDigest, manifestDigest, targets }];
  });
}

function targetsWhere(
  targets: readonly RunTarget[],
  isWanted: (node: string) => boolean,
): RunTarget[] {
  return targets.flatMap((target) => {
    const nodes = target.nodes.filter(isWanted);
    return nodes.length > 0 ? [{ ...target, nodes }] : [];
  });
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}
