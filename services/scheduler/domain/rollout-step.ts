import { create } from '@bufbuild/protobuf';
import { event, JobType, type RequestRun, RequestRunSchema } from '#libs/contracts/index.js';
import { derivedId } from './derived-id.js';
import type { RolloutEvent, RunningRollout } from './rollout.js';

/** What is known of the run of a wave, or of the run that brings servers back. */
export interface StepFacts {
  /** Its end; undefined: it is under way. */
  readonly ended?: 'completed' | 'partial' | 'failed' | 'aborted' | 'cancelled';
  readonly endReason?: string;
  readonly nothingChanged?: boolean;
  /** Servers that reported that they switched, and those that reported a failure. */
  readonly switched: ReadonlySet<string>;
  readonly failed: ReadonlySet<string>;
  /** What the first wave has distributed. */
  readonly tree?: { readonly treeDigest: Uint8Array; readonly manifestDigest: Uint8Array };
  /** Servers that are registered and serve the rollout's tree. */
  readonly serving: ReadonlySet<string>;
  /** Those of them that serve files which are not as they were signed. */
  readonly drifted: ReadonlySet<string>;
  /** Those of them whose own health check fails -> what it says. */
  readonly unhealthy: ReadonlyMap<string, string>;
  /** Servers that could not be reached when they were looked for last, and not for long. */
  readonly unheard: ReadonlySet<string>;
  readonly silent: ReadonlySet<string>;
  /** Something is live on the site to go back to. */
  readonly hasLive: boolean;
  readonly startedAtMs: number;
  /** By then it must be over; undefined: at some time. */
  readonly deadlineMs?: number;
}

/** What happens next in a rollout; undefined: nothing before something else has happened. */
export function nextStep(
  state: RunningRollout,
  facts: StepFacts,
  nowMs: number,
): RolloutEvent | undefined {
  if (isTooLate(state, facts, nowMs)) return afterDeadline(state, facts, nowMs);
  switch (state.phase) {
    case 'between':
      return afterWave(state);
    case 'running':
      return state.wave > state.waves.length
        ? afterFinalRun(state, facts, nowMs)
        : duringWave(state, facts, nowMs);
    case 'soaking':
      return duringSoak(state, facts, nowMs);
    case 'failed':
      return afterFailure(state, facts, nowMs);
    case 'rolling-back':
      if (!facts.ended) return undefined;
      return ended(state, 'failed', `${state.reason}; ${backAgain(facts)}`, facts, nowMs);
  }
}

/** The request of the run of a wave; the run after the last wave is for all servers. */
export function waveRequest(state: RunningRollout, parent: RequestRun): RequestRun {
  const nodes = state.waves[state.wave - 1]?.nodes ?? [];
  const { site, terms, commit } = parent;
  return create(RequestRunSchema, {
    ...{ runId: state.stepRunId, site, type: JobType.PUBLISH, nodes: [...nodes] },
    terms: {
      ...{ commit: commit ?? terms?.commit, groups: terms?.groups ?? [] },
      ...{ filters: terms?.filters ?? [], rolloutRunId: state.runId, wave: state.wave },
      ...(state.tree ? { wanted: state.tree } : {}),
    },
  });
}

/** The request of the run that brings the servers of waves back to what is live. */
export function repairRequest(state: RunningRollout): RequestRun {
  return create(RequestRunSchema, {
    ...{ runId: state.stepRunId, site: state.site, type: JobType.SYNCHRONIZE },
    nodes: touched(state),
    terms: { rolloutRunId: state.runId },
  });
}

/** The last run is not taken back: all waves were good, and it has a time of its own. */
function isTooLate({ phase, wave, waves }: RunningRollout, facts: StepFacts, nowMs: number) {
  const isGoing = phase === 'between' || phase === 'running' || phase === 'soaking';
  return isGoing && wave <= waves.length && nowMs >= (facts.deadlineMs ?? Number.POSITIVE_INFINITY);
}

function afterDeadline(state: RunningRollout, facts: StepFacts, nowMs: number): RolloutEvent {
  const reason = 'the deadline of the run has passed';
  if (state.wave === 0) return ended(state, 'failed', reason, facts, nowMs);
  return waveFailed(state, reason);
}

function afterWave(state: RunningRollout): RolloutEvent | undefined {
  const { runId, wave, waves, policy } = state;
  const next = wave + 1;
  const isManual = (policy?.manualPromotion ?? false) && wave > 0 && wave < waves.length;
  if (state.paused || (isManual && !state.promoted)) return undefined;
  return event('WaveStarted', { runId, wave: next, waveRunId: derivedId(runId, 'wave', next) });
}

function duringWave(state: RunningRollout, facts: StepFacts, nowMs: number) {
  const { runId, wave, policy } = state;
  const nodes = state.waves[wave - 1]?.nodes ?? [];
  const switched = nodes.filter((node) => facts.switched.has(node)).length;
  const failed = nodes.filter((node) => facts.failed.has(node)).length;
  if (!facts.ended) {
    if (failed * 100 <= nodes.length * (policy?.errorPercent ?? 0)) return undefined;
    return waveFailed(state, `${failed} of ${nodes.length} servers failed`);
  }
  if (facts.nothingChanged) {
    return ended(state, 'completed', 'nothing has changed', facts, nowMs);
  }
  const needed = Math.ceil((nodes.length * (policy?.successPercent || 100)) / 100);
  if (switched < needed) {
    const why = facts.endReason ? ` (${facts.endReason})` : '';
    const text = `${switched} of ${nodes.length} servers switched, ${needed} must${why}`;
    return waveFailed(state, text);
  }
  const untilMs = BigInt(nowMs) + (policy?.soakMs ?? 0n);
  const tree = state.tree ?? facts.tree;
  const counts = { switched, servers: nodes.length };
  return event('WaveSoaking', { runId, wave, untilMs, ...(tree ? { tree } : {}), ...counts });
}

/**
 * Who is gone, is not healthy, tells nothing or serves something else counts as failed. A wave of
 * which somebody has not been heard of lately does not pass before that is clear.
 */
function duringSoak(state: RunningRollout, facts: StepFacts, nowMs: number) {
  const { runId, wave, policy, waves } = state;
  const nodes = waves[wave - 1]?.nodes ?? [];
  const switched = nodes.filter((node) => facts.switched.has(node));
  const troubles = switched.flatMap((node) => troubleOf(node, facts) ?? []);
  const isOver = nowMs >= state.soakUntilMs;
  const most = nodes.length - Math.ceil((nodes.length * (policy?.successPercent || 100)) / 100);
  const missing = nodes.length - switched.length + troubles.length;
  const isBad = troubles.length * 100 > nodes.length * (policy?.errorPercent ?? 0);
  if (troubles.length > 0 && (isBad || missing > most)) {
    return waveFailed(state, troubles.join('; '));
  }
  if (!isOver || state.paused || switched.some((node) => facts.unheard.has(node))) return undefined;
  return event('WavePassed', { runId, wave });
}

function troubleOf(node: string, facts: StepFacts): string | undefined {
  const { serving, drifted, unhealthy, silent } = facts;
  if (!serving.has(node)) return `${node} did not go on serving it`;
  if (unhealthy.has(node)) return `${node} is not healthy: ${unhealthy.get(node)}`;
  if (drifted.has(node)) return `${node} serves files that are not as they were signed`;
  return silent.has(node) ? `nothing was heard of ${node}` : undefined;
}

function afterFailure(state: RunningRollout, facts: StepFacts, nowMs: number) {
  const { runId, policy, reason } = state;
  if (policy?.keepBadWave) return ended(state, 'failed', reason, facts, nowMs);
  // Its run must be over: what it would still switch could not be taken back.
  if (!facts.ended) return undefined;
  if (!facts.hasLive) {
    return ended(state, 'failed', `${reason}; nothing was live to go back to`, facts, nowMs);
  }
  const repairRunId = derivedId(runId, 'back');
  return event('RolloutRolledBack', { runId, repairRunId, nodes: touched(state) });
}

function afterFinalRun(state: RunningRollout, facts: StepFacts, nowMs: number) {
  if (!facts.ended) return undefined;
  const status = facts.ended === 'cancelled' ? 'failed' : facts.ended;
  return ended(state, status, facts.endReason ?? '', facts, nowMs);
}

function touched({ waves, wave }: RunningRollout): string[] {
  return waves.slice(0, wave).flatMap(({ nodes }) => nodes);
}

function backAgain({ ended: how }: StepFacts): string {
  return how === 'completed'
    ? 'its servers are back at what was live'
    : 'not all of its servers could be brought back';
}

function waveFailed({ runId, wave, stepRunId }: RunningRollout, reason: string): RolloutEvent {
  return event('WaveFailed', { runId, wave, waveRunId: stepRunId, reason });
}

function ended(
  { runId, site, wave }: RunningRollout,
  status: string,
  reason: string,
  { startedAtMs }: StepFacts,
  nowMs: number,
): RolloutEvent {
  const durationMs = BigInt(Math.max(0, nowMs - startedAtMs));
  const told = status === 'failed' && wave > 0 ? `wave ${wave}: ${reason}` : reason;
  return event('RolloutEnded', { runId, site, status, reason: told, durationMs });
}
