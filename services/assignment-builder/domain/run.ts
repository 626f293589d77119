import type { RecordedEvent, RunTarget } from '#libs/contracts/index.js';

export type RunStarted = RecordedEvent<'RunStarted'>['data'];

const endedBeforeCommit: ReadonlySet<string> = new Set<RecordedEvent['type']>([
  'RunCancelled',
  'RunAborted',
  'RunFailed',
]);

/** What the builder needs to know of a run, from the events of its aggregates. */
export type RunSituation =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'started'; readonly run: RunStarted };

export function runSituation(events: readonly RecordedEvent[]): RunSituation {
  let situation: RunSituation = { kind: 'unknown' };
  for (const event of events) {
    if (event.type === 'RunStarted') situation = { kind: 'started', run: event.data };
    if (endedBeforeCommit.has(event.type)) situation = { kind: 'cancelled' };
  }
  return situation;
}

/** The names of all nodes of the targets, each once, sorted. */
export function nodesOf(targets: readonly RunTarget[]): string[] {
  return [...new Set(targets.flatMap((target) => target.nodes))].sort();
}

/**
 * The hooks of the run's site, each once. Servers that have the tree on disk get none: it has those
 * of the assignment that brought it, and an assignment without commands has nothing built anew.
 */
export function hooksFor(
  { policy }: Pick<RunStarted, 'policy'>,
  baseTree: string,
  resultTree: string,
): readonly string[] {
  return baseTree === resultTree ? [] : [...new Set(policy?.hooks ?? [])];
}
