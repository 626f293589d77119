import {
  type DomainEvent,
  event,
  JobType,
  type RequestRun,
  type SiteCreated,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { InvalidRunId, NoTargets, RunConflict, RunExists, UnknownSite } from './errors.js';
import { holds, type Job, type JobFacts, planJob } from './job.js';
import { requireName } from './names.js';
import { type Server, targetsOf } from './targets.js';

export type RunEvent = DomainEvent<
  'RunRequested' | 'RunStarted' | 'RunQueued' | 'RunDeferred' | 'RunCancelled' | 'RunClosed'
>;

/** How a run ended, as `RunClosed` says it. */
export type RunStatus = 'completed' | 'partial' | 'failed' | 'aborted';

/** What a request is judged by, beside the run itself. */
export interface RequestFacts extends JobFacts {
  readonly site: SiteCreated | undefined;
  readonly groups: readonly string[];
  /** A run of the site that is not over. */
  readonly openRunId: string | undefined;
  readonly nowMs: number;
  readonly prepareTimeoutMs: number;
  readonly switchTimeoutMs: number;
}

export type RunCommand =
  | { readonly type: 'request'; readonly data: RequestRun; readonly facts: RequestFacts }
  | { readonly type: 'cancel'; readonly runId: string; readonly reason: string }
  | { readonly type: 'close'; readonly runId: string; readonly status: RunStatus };

export type Run =
  | { readonly situation: 'absent' }
  | ({ readonly situation: 'open' } & RunParameters)
  | ({ readonly situation: 'over' } & RunParameters);

interface RunParameters {
  readonly site: string;
  readonly type: JobType;
  readonly dryRun: boolean;
}

/** One execution of a job. A site has at most one that is open. */
export const runAggregate: Aggregate<Run, RunCommand, RunEvent> = {
  type: 'run',
  initial: { situation: 'absent' },
  evolve,
  decide,
};

function evolve(state: Run, happened: RunEvent): Run {
  switch (happened.type) {
    case 'RunRequested': {
      const { site, type, dryRun } = happened.data;
      return { situation: 'open', site, type, dryRun };
    }
    case 'RunStarted':
    case 'RunQueued':
    case 'RunDeferred':
      return state;
    case 'RunCancelled':
    case 'RunClosed':
      return state.situation === 'open' ? { ...state, situation: 'over' } : state;
  }
}

/** @throws InvalidRunId, RunExists, UnknownSite, RunConflict, NoTargets, what `planJob` throws */
function decide(command: RunCommand, state: Run): RunEvent[] {
  switch (command.type) {
    case 'request':
      return request(command.data, command.facts, state);
    case 'cancel': {
      if (state.situation !== 'open') return [];
      const { runId, reason } = command;
      return [event('RunCancelled', { runId, reason })];
    }
    case 'close':
      if (state.situation !== 'open') return [];
      return [event('RunClosed', { runId: command.runId, status: command.status })];
  }
}

const runIdForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function request(data: RequestRun, facts: RequestFacts, state: Run): RunEvent[] {
  const { runId, site, type, dryRun } = data;
  if (!runIdForm.test(runId)) throw new InvalidRunId(runId);
  if (state.situation !== 'absent') {
    const same = state.site === site && state.type === type && state.dryRun === dryRun;
    if (same) return [];
    throw new RunExists(runId);
  }
  if (facts.site === undefined) throw new UnknownSite(site);
  if (facts.openRunId !== undefined) throw new RunConflict(site, facts.openRunId);
  if (type === JobType.CREATE_CHECKPOINT) requireName('checkpoint', data.to);
  const job = planJob(data, facts);
  const someRegistered = job.targets.some(({ registered }) => registered);
  if (!dryRun && !job.mayBeEmpty && !someRegistered) throw new NoTargets(site);
  return started(data, facts.site, job, facts);
}

function started(
  data: RequestRun,
  settings: SiteCreated,
  job: Job,
  facts: RequestFacts,
): RunEvent[] {
  const { runId, site, type, dryRun, to, paths, nodes } = data;
  const { staging, filters, policy } = settings;
  const common = { runId, site, type, dryRun, staging, filters, policy };
  const { wanted, targets, keepsLiveVersion } = job;
  const live = facts.versions.versions.at(-1)?.treeDigest ?? '';
  return [
    event('RunRequested', { ...common, groups: [...facts.groups], to, paths, nodes }),
    event('RunStarted', {
      ...common,
      targets: [...targetsOf(targets).bySegment],
      startedAtMs: BigInt(facts.nowMs),
      prepareTimeoutMs: BigInt(facts.prepareTimeoutMs),
      switchTimeoutMs: BigInt(facts.switchTimeoutMs),
      ...(wanted && {
        wanted: {
          treeDigest: bytes(wanted.treeDigest),
          manifestDigest: bytes(wanted.manifestDigest),
        },
      }),
      paths,
      served: servedTrees(job, live),
      holders: wanted && !job.fromNothing ? holdersOf(job.targets, wanted, type) : [],
      commit: data.commit ?? policy?.commit,
      keepsLiveVersion,
      checkpoint: type === JobType.CREATE_CHECKPOINT ? to : '',
    }),
  ];
}

/** Targets by what they serve, without those that serve the site's live tree. */
function servedTrees({ targets, fromNothing }: Job, live: string) {
  const byTree = new Map<string, string[]>();
  for (const { name, registered, served } of targets) {
    if (!registered) continue;
    const tree = fromNothing ? '' : served;
    if (tree === live) continue;
    const names = byTree.get(tree);
    if (names) names.push(name);
    else byTree.set(tree, [name]);
  }
  return [...byTree].map(([tree, nodes]) => ({ treeDigest: bytes(tree), nodes: nodes.sort() }));
}

/** Going back needs no data where the tree is on disk. */
function holdersOf(
  targets: readonly Server[],
  wanted: NonNullable<Job['wanted']>,
  type: JobType,
): string[] {
  if (type !== JobType.ROLLBACK && type !== JobType.RESTORE) return [];
  return targets.filter((server) => holds(server, wanted)).map(({ name }) => name);
}

function bytes(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, 'hex'));
}
