import { create } from '@bufbuild/protobuf';
import {
  type AssignmentReport,
  AssignmentReportSchema,
  NodeStatus,
  type RunStarted,
  type RunTarget,
} from '#libs/contracts/index.js';
import { goLiveStep, hasGivenLead, quorumProblem } from './commit-policy.js';
import type { OutcomeCommand } from './outcome.js';
import { succeeded } from './run-in-segment.js';
import type { RunProgress } from './run-progress.js';

/**
 * What to do about a run now: a command to its outcome, or nothing.
 * A commit is due when every targeted server has reported, or when the time to prepare is over: to
 * those that are prepared, if they are the quorum, and when the run's policy lets it go live. A run
 * ends when all of them have reported the switch, or its time is over.
 */
export function nextStep(
  run: RunProgress,
  nowMs: number,
  predictedP99Ms: number,
): OutcomeCommand | undefined {
  const { started, changes } = run;
  if (!started) return undefined;
  if (run.failure !== undefined) return fail(started, run.failure, [], nowMs);
  if (!changes) return undefined;
  const isNothing = started.keepsLiveVersion && started.targets.length === 0;
  const isSame = sameBytes(changes.baseTreeDigest, changes.resultTreeDigest);
  if (changes.dryRun || isSame || isNothing) {
    return { type: 'complete', run: { ...ended(started, nowMs), nothingChanged: !changes.dryRun } };
  }
  if (run.commit) return afterCommit(run, started, nowMs);
  return beforeCommit(run, started, nowMs, predictedP99Ms);
}

/** A commit that is due is issued at once; this is for the case that it could not be. */
const commitRetryMs = 1_000;

/** When `nextStep` must be asked again although nothing happened; `undefined`: never. */
export function deadlineMs(
  run: RunProgress,
  nowMs: number,
  predictedP99Ms: number,
): number | undefined {
  const { started, commit } = run;
  if (!started) return undefined;
  if (commit) return switchDeadlineMs(run, started);
  const prepareMs = prepareDeadlineMs(started);
  if (nowMs < prepareMs && !(allReported(run, started) && run.built)) return prepareMs;
  const step = goLiveStep(started.commit, run.approved ?? false, nowMs, predictedP99Ms);
  switch (step.kind) {
    case 'wait':
      return step.untilMs;
    case 'wait-for-approval':
      return undefined;
    case 'commit':
      return nowMs + commitRetryMs;
  }
}

function switchDeadlineMs({ commit, committedAtMs }: RunProgress, started: RunStarted): number {
  const switchMs = Math.max(committedAtMs ?? 0, Number(commit?.switchAtMs ?? 0n));
  return switchMs + Number(started.switchTimeoutMs);
}

function prepareDeadlineMs({ startedAtMs, prepareTimeoutMs }: RunStarted): number {
  return Number(startedAtMs + prepareTimeoutMs);
}

/** A segment's report names each of the targeted servers, those without an answer too. */
function allReported({ prepared }: RunProgress, { targets }: RunStarted): boolean {
  return targets.every(({ segment, nodes }) => {
    const reports = prepared.get(segment)?.nodes ?? [];
    if (reports.length < nodes.length) return false;
    const names = new Set(reports.map(({ node }) => node));
    return nodes.every((node) => names.has(node));
  });
}

function beforeCommit(
  run: RunProgress,
  started: RunStarted,
  nowMs: number,
  predictedP99Ms: number,
): OutcomeCommand | undefined {
  const { changes, built } = run;
  const timedOut = nowMs >= prepareDeadlineMs(started);
  if (!timedOut && !(allReported(run, started) && built)) return undefined;
  const reports = [...run.prepared.values()].flatMap(({ nodes }) => nodes);
  const prepared = preparedTargets(run, started.targets);
  const missed = () => missedNodes(started.targets, reports);
  if (!built || !changes || prepared.length === 0) {
    return fail(started, whyNobodyPrepared(missed(), timedOut), missed(), nowMs);
  }
  const problem = quorumProblem(started.commit, started.targets, prepared);
  if (problem !== undefined) {
    return fail(started, `${problem}; no server switched`, missed(), nowMs);
  }
  const step = goLiveStep(started.commit, run.approved ?? false, nowMs, predictedP99Ms);
  if (step.kind !== 'commit') return undefined;
  return {
    type: 'issue-commit',
    commit: {
      runId: started.runId,
      site: started.site,
      prepared,
      // Without a number the site's live version stays.
      sequence: started.keepsLiveVersion ? 0n : built.sequence,
      treeDigest: built.resultTreeDigest,
      manifestDigest: built.resultManifestDigest,
      switchAtMs: BigInt(step.switchAtMs),
      predictedP99Ms: hasGivenLead(started.commit) ? 0 : predictedP99Ms,
    },
  };
}

function afterCommit(run: RunProgress, started: RunStarted, nowMs: number) {
  const waitingFor = run.commit?.prepared ?? [];
  const timedOut = nowMs >= switchDeadlineMs(run, started);
  if (!timedOut && !waitingFor.every(({ segment }) => run.switched.has(segment))) return undefined;
  const switched = [...run.switched.values()].flatMap(({ nodes }) => nodes);
  const prepared = [...run.prepared.values()].flatMap(({ nodes }) => nodes);
  const failed = [...switched, ...prepared].filter((node) => !succeeded(node));
  const switchedNames = new Set(switched.filter(succeeded).map(({ node }) => node));
  const missed = started.targets
    .flatMap(({ nodes }) => nodes)
    .filter((node) => !switchedNames.has(node))
    .map((node) => failed.find((report) => report.node === node) ?? missing(node));
  if (missed.length === 0) return { type: 'complete' as const, run: ended(started, nowMs) };
  if (switchedNames.size === 0) return fail(started, 'no server switched', missed, nowMs);
  return { type: 'complete-partially' as const, run: { ...ended(started, nowMs), missed } };
}

function preparedTargets(run: RunProgress, targets: readonly RunTarget[]) {
  return targets
    .map(({ segment, nodes }) => {
      const reports = run.prepared.get(segment)?.nodes ?? [];
      const ready = new Set(reports.filter(succeeded).map(({ node }) => node));
      return { segment, nodes: nodes.filter((node) => ready.has(node)) };
    })
    .filter(({ nodes }) => nodes.length > 0);
}

function missedNodes(targets: readonly RunTarget[], reports: readonly AssignmentReport[]) {
  return targets
    .flatMap(({ nodes }) => nodes)
    .map((node) => reports.find((report) => report.node === node) ?? missing(node))
    .filter((report) => !succeeded(report));
}

function missing(node: string): AssignmentReport {
  return create(AssignmentReportSchema, {
    node,
    status: NodeStatus.MISSING,
    error: 'no report arrived in time',
  });
}

function whyNobodyPrepared(missed: readonly AssignmentReport[], timedOut: boolean): string {
  const first = missed.find(({ error }) => error !== '');
  const detail = first ? ` (${first.node}: ${first.error})` : '';
  return timedOut
    ? `the time to prepare was over before any server was ready${detail}`
    : `no server could prepare the assignment${detail}`;
}

function fail(started: RunStarted, reason: string, missed: AssignmentReport[], nowMs: number) {
  return { type: 'fail' as const, run: { ...ended(started, nowMs), reason, missed } };
}

function ended({ runId, site, startedAtMs }: RunStarted, nowMs: number) {
  return { runId, site, durationMs: BigInt(Math.max(0, nowMs - Number(startedAtMs))) };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
