import { create } from '@bufbuild/protobuf';
import {
  type CommitPolicy,
  CommitPolicySchema,
  ConflictPolicy,
  GoLive,
  JobType,
  type RequestRun,
  type RunPolicies,
  type SiteCreated,
  WindowPolicy,
} from '#libs/contracts/index.js';
import { type LinkUse, lackOfRoom, type RunBudget } from './budget.js';
import { type Answer, answer, type Claim, type OnConflict } from './claim.js';
import { NoTargets, RunConflict, UnknownGroup, UnknownSite } from './errors.js';
import type { GroupEntry } from './fleet.js';
import { type Job, type JobFacts, planJob } from './job.js';
import { requireName } from './names.js';
import { missingQuorum } from './quorum.js';
import { type Standing, termsOf } from './run.js';
import { startOf } from './started.js';
import { targetsOf } from './targets.js';
import { requireWaves } from './waves.js';
import { commonOpening, type Stretch } from './windows.js';

/** What the beginning of a run is judged by. */
export interface BeginFacts extends JobFacts {
  readonly site: SiteCreated | undefined;
  /** Groups of the site. */
  readonly groups: readonly GroupEntry[];
  readonly claim: Claim;
  readonly reachable: ReadonlySet<string>;
  readonly budget: RunBudget;
  /** Runs under way, and those that wait for room since before this one. */
  readonly before: readonly LinkUse[];
  /** Nobody asked for it. */
  readonly automatic: boolean;
  readonly requestedAtMs: number;
  readonly nowMs: number;
  readonly prepareTimeoutMs: number;
  readonly switchTimeoutMs: number;
}

/** What becomes of a run now, and what that means for the claim of its site. */
export interface Beginning {
  readonly standing: Standing;
  readonly claim: Answer;
}

const nothing: Answer = { events: [], isQueued: false, displaced: [] };

/**
 * Judges whether a run begins now: its time, its windows, its quorum, its claim, the budget.
 * @throws UnknownSite, UnknownGroup, NoTargets, RunConflict, InvalidName, InvalidRollout, and what
 * `planJob` throws
 */
export function begin(request: RequestRun, facts: BeginFacts): Beginning {
  const { site, nowMs, requestedAtMs } = facts;
  const terms = termsOf(request);
  const { policies } = terms;
  if (site === undefined) throw new UnknownSite(request.site);
  requireGroups(terms.groups, facts.groups);
  if (request.type === JobType.CREATE_CHECKPOINT) requireName('checkpoint', request.to);
  if (policies?.rollout) requireWaves(request.type, policies.rollout);
  const deadlineMs = deadlineOf(policies, requestedAtMs);
  if (nowMs >= deadlineMs) return cancel('its deadline has passed before it could begin');
  const notBeforeMs = Number(terms.notBeforeMs);
  if (nowMs < notBeforeMs) return defer(notBeforeMs, waitReason(terms.attempt));
  const job = planJob(request, facts);
  const someRegistered = job.targets.some(({ registered }) => registered);
  if (!request.dryRun && !job.mayBeEmpty && !someRegistered) throw new NoTargets(request.site);
  const isWave = terms.rolloutRunId !== '';
  const window = facts.automatic || isWave ? undefined : windowOf(facts.groups, policies, nowMs);
  if (window === 'never') return cancel('no maintenance window is open for all its groups');
  const activates = policies?.windows === WindowPolicy.ACTIVATE;
  if (window && window.fromMs > nowMs && !activates) {
    return defer(Math.min(window.fromMs, deadlineMs), 'its maintenance window is not open yet');
  }
  const lacking = missingQuorum(policies?.quorum, job.targets, facts);
  if (lacking) return withoutQuorum(lacking, policies, facts);
  const claim = isWave || request.dryRun ? nothing : claimFor(request, job, facts);
  if (claim.blockingRunId !== undefined) return blocked(request, claim, policies, facts);
  const inWaves = policies?.rollout && !isWave && !request.dryRun;
  if (inWaves) return { standing: { kind: 'roll-out' }, claim };
  const segments = targetsOf(job.targets).bySegment.map(({ segment }) => segment);
  const lack = lackOfRoom(facts.budget, facts.before, { runId: request.runId, segments });
  if (lack) return { standing: { kind: 'queue', blockingRunId: '', reason: lack }, claim };
  const times = timesOf(
    facts,
    Math.min(deadlineMs, activates ? Infinity : (window?.untilMs ?? Infinity)),
  );
  const commit = commitOf(
    terms.commit ?? site.policy?.commit,
    activates ? window : undefined,
    nowMs,
  );
  const started = startOf(request, job, { ...facts, ...times, site }, commit);
  return { standing: { kind: 'start', started }, claim };
}

/** Which runs wait in vain from then on; Infinity: none. */
export function deadlineOf(policies: RunPolicies | undefined, requestedAtMs: number): number {
  const deadlineMs = Number(policies?.deadlineMs ?? 0n);
  return deadlineMs > 0 ? requestedAtMs + deadlineMs : Number.POSITIVE_INFINITY;
}

function claimFor(request: RequestRun, job: Job, facts: BeginFacts): Answer {
  const { runId, type } = request;
  const nodes = job.targets.map(({ name }) => name).sort();
  const movesLiveVersion = !job.keepsLiveVersion;
  if (nodes.length === 0 && !movesLiveVersion) return nothing;
  const { automatic } = facts;
  const kind = request.terms?.job ? `job ${request.terms.job}` : (JobType[type] ?? '');
  const wish = { runId, nodes, movesLiveVersion, automatic, kind };
  return answer(facts.claim, wish, onConflictOf(request, automatic));
}

function onConflictOf({ terms }: RequestRun, automatic: boolean): OnConflict {
  switch (terms?.policies?.conflict) {
    case ConflictPolicy.QUEUE:
      return 'queue';
    case ConflictPolicy.CANCEL:
      return 'cancel';
    case ConflictPolicy.REPLACE:
      return 'replace';
    case ConflictPolicy.REFUSE:
      return 'refuse';
    default:
      return terms?.job && !automatic ? 'queue' : 'refuse';
  }
}

function blocked(
  request: RequestRun,
  claim: Answer,
  policies: RunPolicies | undefined,
  facts: BeginFacts,
): Beginning {
  const { blockingRunId = '', isQueued } = claim;
  if (isQueued) {
    const reason = `run ${blockingRunId} is in the way`;
    return { standing: { kind: 'queue', blockingRunId, reason }, claim };
  }
  if (policies?.conflict === ConflictPolicy.CANCEL) {
    return cancel(`run ${blockingRunId} is in the way`);
  }
  throw new RunConflict(facts.site?.site ?? request.site, blockingRunId);
}

function withoutQuorum(
  lacking: string,
  policies: RunPolicies | undefined,
  { nowMs, requestedAtMs }: BeginFacts,
): Beginning {
  const patienceMs = Number(policies?.quorum?.deferMs ?? 0n);
  const untilMs = requestedAtMs + patienceMs;
  return nowMs >= untilMs ? cancel(lacking) : defer(untilMs, lacking);
}

function windowOf(
  groups: readonly GroupEntry[],
  policies: RunPolicies | undefined,
  nowMs: number,
): Stretch | 'never' | undefined {
  if (policies?.windows === WindowPolicy.IGNORE) return undefined;
  const sets = groups.map(({ windows }) => windows ?? []).filter((set) => set.length > 0);
  if (sets.length === 0) return undefined;
  return commonOpening(sets, nowMs) ?? 'never';
}

/** Downloads now, and switches when the window opens. */
function commitOf(
  commit: CommitPolicy | undefined,
  window: Stretch | undefined,
  nowMs: number,
): CommitPolicy | undefined {
  if (!window || window.fromMs <= nowMs) return commit;
  return create(CommitPolicySchema, {
    quorum: commit?.quorum,
    switchLeadMs: commit?.switchLeadMs,
    goLive: GoLive.AT,
    atMs: BigInt(window.fromMs),
  });
}

/** The time of a run, when it must be over or must have switched by then. */
function timesOf({ nowMs, prepareTimeoutMs, switchTimeoutMs }: BeginFacts, endMs: number) {
  const leftMs = endMs - nowMs;
  const forSwitchMs = Math.min(switchTimeoutMs, Math.floor(leftMs / 2));
  return {
    prepareTimeoutMs: Math.min(prepareTimeoutMs, leftMs - forSwitchMs),
    switchTimeoutMs: forSwitchMs,
  };
}

function requireGroups(wanted: readonly string[], known: readonly GroupEntry[]): void {
  const missing = wanted.find((name) => !known.some((group) => group.name === name));
  if (missing !== undefined) throw new UnknownGroup(missing);
}

function waitReason(attempt: number): string {
  return attempt > 0 ? `attempt ${attempt + 1} waits a while` : 'it is not time yet';
}

function cancel(reason: string): Beginning {
  return { standing: { kind: 'cancel', reason }, claim: nothing };
}

function defer(untilMs: number, reason: string): Beginning {
  return { standing: { kind: 'defer', untilMs, reason }, claim: nothing };
}
