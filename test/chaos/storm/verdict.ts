import { jobOutcomes, type OutcomeName } from './outcomes.js';

/** What is checked of an event. */
export interface SeenEvent {
  readonly sequence: number;
  readonly id: string;
  /** Without the name of the package, e.g. `RunStarted`. */
  readonly type: string;
  readonly aggregate: string;
  readonly version: number;
  readonly runId: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What an agent did, by its own book: each assignment that it executed. */
export interface AgentEffect {
  readonly node: string;
  readonly runId: string;
  readonly site: string;
  readonly assignmentId: string;
  readonly kind: 'prepare' | 'switch';
  readonly sequence: number;
}

export interface Verdict {
  readonly lostEvents: number;
  readonly doubleEffects: number;
  readonly finalStates: Readonly<Record<string, number>>;
  /** Why runs did not end well, numbers left out, and how many did not. */
  readonly reasons: Readonly<Record<string, number>>;
  /** What was found, in words; empty when all is well. */
  readonly findings: readonly string[];
}

/** Events of which a run may have one at most, by what tells them apart. */
const once: Readonly<Record<string, (data: SeenEvent['data']) => string>> = {
  RunRequested: ({ runId }) => `${runId}`,
  RunStarted: ({ runId }) => `${runId}`,
  RunClosed: ({ runId }) => `${runId}`,
  ChangeSetComputed: ({ runId }) => `${runId}`,
  CommitIssued: ({ runId }) => `${runId}`,
  AssignmentBuilt: ({ assignmentId }) => `${assignmentId}`,
  DistributionPlanned: ({ assignmentId }) => `${assignmentId}`,
  ShadowMoved: ({ site, sequence }) => `${site} ${sequence}`,
  SnapshotRecorded: ({ site, sequence }) => `${site} ${sequence}`,
};

/**
 * Judges a storm by the log as it is at the end, what readers and clients had been told of it, and
 * what agents did.
 */
export function judge(
  log: readonly SeenEvent[],
  acknowledged: ReadonlyMap<number, string>,
  effects: readonly AgentEffect[],
  runs: readonly string[],
): Verdict {
  const findings = [
    ...lost(log, acknowledged).map((text) => `lost: ${text}`),
    ...doubles(log, effects).map((text) => `double: ${text}`),
  ];
  const finalStates = countStates(log, runs);
  return {
    lostEvents: findings.filter((text) => text.startsWith('lost')).length,
    doubleEffects: findings.filter((text) => text.startsWith('double')).length,
    finalStates,
    reasons: countReasons(log),
    findings,
  };
}

/** Events that somebody was told of and that are not, or are others, in the log at the end. */
function lost(log: readonly SeenEvent[], acknowledged: ReadonlyMap<number, string>): string[] {
  const present = new Map(log.map(({ sequence, id }) => [sequence, id]));
  const missing = [...acknowledged]
    .filter(([sequence, id]) => !present.has(sequence) || (id && present.get(sequence) !== id))
    .map(([sequence, id]) => `event ${sequence} ${id}`);
  return [...missing, ...gaps(log)];
}

/** Versions of an aggregate rise by one: a hole is an event that was there. */
function gaps(log: readonly SeenEvent[]): string[] {
  const versions = new Map<string, number>();
  return log.flatMap(({ aggregate, version, sequence }) => {
    const expected = (versions.get(aggregate) ?? 0) + 1;
    versions.set(aggregate, version);
    return version === expected ? [] : [`${aggregate} has version ${version} at ${sequence}`];
  });
}

function doubles(log: readonly SeenEvent[], effects: readonly AgentEffect[]): string[] {
  const seen = new Set<string>();
  const repeated = (key: string) => {
    if (seen.has(key)) return [key];
    seen.add(key);
    return [];
  };
  return [
    ...log.flatMap(({ id }) => repeated(`event id ${id}`)),
    ...log.flatMap(({ type, data }) => {
      const key = once[type];
      return key ? repeated(`${type} ${key(data)}`) : [];
    }),
    ...log.flatMap(({ type, runId }) =>
      type in jobOutcomes ? repeated(`end of the run ${runId}`) : [],
    ),
    ...effects.flatMap(({ node, runId, kind }) => repeated(`${kind} of ${runId} on ${node}`)),
    ...effects.flatMap(({ node, site, kind, sequence }) =>
      kind === 'prepare' ? repeated(`version ${sequence} of ${site} on ${node}`) : [],
    ),
  ];
}

function countStates(log: readonly SeenEvent[], runs: readonly string[]): Record<string, number> {
  const ends = new Map<string, OutcomeName>();
  for (const { type, runId } of log) {
    const outcome = jobOutcomes[type];
    if (outcome) ends.set(runId, outcome);
  }
  const counts: Record<string, number> = {};
  for (const run of runs) {
    const state = ends.get(run) ?? 'open';
    counts[state] = (counts[state] ?? 0) + 1;
  }
  return counts;
}

function countReasons(log: readonly SeenEvent[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type, data } of log) {
    if (!(type in jobOutcomes) || typeof data.reason !== 'string') continue;
    const alike = data.reason.replace(/[\da-f]{8}-[\da-f-]{27}|\d+/g, '#');
    const reason = `${jobOutcomes[type]}: ${alike}`;
    counts[reason] = (counts[reason] ?? 0) + 1;
  }
  return counts;
}
