import type { Clock } from '#libs/clock/clock.js';
import {
  type CancelRun,
  DomainError,
  type EventContext,
  event,
  NodeStatus,
  type RecordedEvent,
  type RequestRun,
} from '#libs/contracts/index.js';
import { execute, load } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { LogView } from '#libs/event-log/log-view.js';
import { type Caller, commandContext } from '#libs/nest-jetstream/context.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { deadlineOf } from '../domain/begin.js';
import { type Fleet, leadersOf, serversOf } from '../domain/fleet.js';
import { automaticActor } from '../domain/open-runs.js';
import { type RolloutEvent, type RunningRollout, rolloutAggregate } from '../domain/rollout.js';
import { nextStep, repairRequest, type StepFacts, waveRequest } from '../domain/rollout-step.js';
import { type RunStatus, runAggregate } from '../domain/run.js';
import type { Server } from '../domain/targets.js';
import { type Endings, isOutcome, type RunOutcome, statusOf } from './endings.js';
import type { Accepted, Runs } from './runs.js';
import type { SoakWatch } from './soak-watch.js';

/** Leads rollouts from wave to wave. What happened is in the log, so any replica goes on. */
export class Rollouts {
  constructor(
    private readonly log: EventLog,
    private readonly fleet: Pick<LogView<Fleet>, 'state' | 'reaches'>,
    private readonly runs: Runs,
    private readonly endings: Endings,
    private readonly watch: SoakWatch,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Those under way. */
  *open(): Iterable<string> {
    for (const [runId, { situation }] of this.fleet.state.openRuns) {
      if (situation === 'rolling-out') yield runId;
    }
  }

  /** The next wave does not begin, and no soak ends. @throws NoRollout */
  pause(runId: string, caller: Caller): Promise<Accepted> {
    return this.tell('pause', runId, caller);
  }

  /** Goes on: after a pause, from a soak, to the next wave. @throws NoRollout */
  promote(runId: string, caller: Caller): Promise<Accepted> {
    return this.tell('promote', runId, caller);
  }

  /** Ends a rollout as if its wave had failed; undefined: the run is no rollout under way. */
  async abort({ runId, reason }: CancelRun, caller: Caller): Promise<Accepted | undefined> {
    const { state } = await load(this.log, rolloutAggregate, runId);
    if (state.situation !== 'running') return undefined;
    const { wave, stepRunId: waveRunId, site, phase } = state;
    if (phase === 'failed' || phase === 'rolling-back') return { id: runId, sequence: 0 };
    const why = reason || `aborted by ${caller.actor}`;
    const end = phase === 'between' && wave === 0;
    const what = end
      ? event('RolloutEnded', { runId, site, status: 'aborted', reason: why })
      : event('WaveFailed', { runId, wave, waveRunId, reason: why });
    await this.record(runId, what, commandContext(caller, runId));
    return { id: runId, sequence: 0 };
  }

  /** Takes the steps that are due. Harmless to repeat. */
  async step(runId: string): Promise<void> {
    for (;;) {
      const { state, head } = await load(this.log, rolloutAggregate, runId);
      if (state.situation !== 'running') return this.watch.end(runId);
      const facts = await this.factsOf(state);
      const next = nextStep(state, facts, this.clock.nowMs());
      if (!next) return;
      const context = {
        ...{ actor: automaticActor, correlationId: runId },
        causationId: `step/${runId}/${head.version}`,
      };
      await this.record(runId, next, context);
    }
  }

  /** Asks for the run of a wave. Harmless to repeat. */
  async startWave({ data, context }: RecordedEvent<'WaveStarted'>): Promise<void> {
    const { runId, wave, waveRunId } = data;
    const { state } = await load(this.log, rolloutAggregate, runId);
    if (state.situation !== 'running' || state.stepRunId !== waveRunId) return;
    const parent = await this.requestOf(runId);
    if (!parent) return;
    const reason = await this.request(waveRequest(state, parent));
    if (!reason) return;
    const failed = event('WaveFailed', { runId, wave, waveRunId, reason });
    await this.record(runId, failed, { ...context, causationId: `refused/${waveRunId}` });
  }

  /** Brings servers of a bad wave back. Harmless to repeat. */
  async bringBack({ data: { runId, repairRunId } }: RecordedEvent<'RolloutRolledBack'>) {
    const { state } = await load(this.log, rolloutAggregate, runId);
    if (state.situation !== 'running' || state.stepRunId !== repairRunId) return;
    const reason = await this.request(repairRequest(state));
    if (!reason) return;
    this.logger.warn('a bad wave could not be taken back', { runId, reason });
    const why = `${state.reason}; its servers could not be brought back: ${reason}`;
    const ended = { runId, site: state.site, status: 'failed', reason: why };
    const context = { actor: automaticActor, correlationId: runId };
    const causationId = `refused/${repairRunId}`;
    await this.record(runId, event('RolloutEnded', ended), { ...context, causationId });
  }

  /** The run of the rollout is over with it. Harmless to repeat. */
  async ended({ id, data, context }: RecordedEvent<'RolloutEnded'>): Promise<void> {
    const { runId, site, status } = data;
    const command = { type: 'close', runId, status: status as RunStatus } as const;
    await this.endings.end(command, site, { ...context, causationId: id });
  }

  /** @returns why it is refused */
  private async request(request: RequestRun): Promise<string | undefined> {
    try {
      await this.runs.request(request, { actor: automaticActor, commandId: request.runId });
      return undefined;
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      return error.message;
    }
  }

  private async tell(type: 'pause' | 'promote', runId: string, caller: Caller): Promise<Accepted> {
    const context = commandContext(caller, runId);
    const nowMs = this.clock.nowMs();
    const command = { type, runId } as const;
    const events = await execute(this.log, rolloutAggregate, runId, command, context, nowMs);
    const sequence = events.at(-1)?.sequence ?? 0;
    await this.fleet.reaches(sequence);
    return { id: runId, sequence };
  }

  private async record(runId: string, what: RolloutEvent, context: EventContext): Promise<void> {
    const command = { type: 'record', event: what } as const;
    await execute(this.log, rolloutAggregate, runId, command, context, this.clock.nowMs());
  }

  private async requestOf(runId: string): Promise<RequestRun | undefined> {
    const { state } = await load(this.log, runAggregate, runId);
    return state.situation === 'absent' ? undefined : state.request;
  }

  private async factsOf(state: RunningRollout): Promise<StepFacts> {
    const { site, stepRunId, runId } = state;
    const [own, outcomes, changes, shadows, first] = await Promise.all([
      this.log.read({ type: 'run', id: stepRunId }),
      this.log.read({ type: 'outcome', id: stepRunId }),
      this.log.read({ type: 'changeset', id: stepRunId }),
      this.log.read({ type: 'shadow', id: site }),
      this.log.read({ type: 'rollout', id: runId }),
    ]);
    const reports = await this.reportsOf(stepRunId, own);
    const tree = treeOf(changes);
    const wanted = Buffer.from((state.tree ?? tree)?.treeDigest ?? []).toString('hex');
    const servers = [...serversOf(this.fleet.state, site, this.clock.nowMs())];
    const serving = servers.filter(({ registered, served }) => registered && served === wanted);
    const drifted = serving.filter(({ drifted: entries = 0 }) => entries > 0);
    return {
      ...endOf(own, outcomes.find(isOutcome) as RunOutcome | undefined),
      ...reports,
      ...(tree ? { tree } : {}),
      serving: namesOf(serving),
      drifted: namesOf(drifted),
      unhealthy: new Map(
        serving.flatMap(({ name, unhealthy = '' }) => (unhealthy ? [[name, unhealthy]] : [])),
      ),
      ...(await this.heardOf(state, servers)),
      hasLive: shadows.some(({ type }) => type === 'ShadowMoved'),
      startedAtMs: first[0]?.timeMs ?? 0,
      ...this.deadlineOf(runId),
    };
  }

  /** While a wave soaks its servers are looked for. */
  private async heardOf({ runId, phase, wave, waves }: RunningRollout, servers: readonly Server[]) {
    if (phase !== 'soaking') {
      this.watch.end(runId);
      return { unheard: new Set<string>(), silent: new Set<string>() };
    }
    const isInWave = new Set(waves[wave - 1]?.nodes);
    const members = servers.filter(({ name }) => isInWave.has(name));
    const leaders = leadersOf(this.fleet.state, new Set(members.map(({ segment }) => segment)));
    return this.watch.look(runId, isInWave, leaders);
  }

  private deadlineOf(runId: string) {
    const run = this.fleet.state.openRuns.get(runId);
    return run ? { deadlineMs: deadlineOf(run.policies, run.requestedAtMs) } : {};
  }

  private async reportsOf(runId: string, own: readonly RecordedEvent[]) {
    const segments = own.flatMap((happened) =>
      happened.type === 'RunStarted' ? happened.data.targets.map(({ segment }) => segment) : [],
    );
    const switched = new Set<string>();
    const failed = new Set<string>();
    for (const segment of segments) {
      const id = `${runId}/${segment}`;
      for (const { type, data } of await this.log.read({ type: 'run-in-segment', id })) {
        if (type !== 'SegmentPrepared' && type !== 'SegmentSwitched') continue;
        for (const { node, status } of data.nodes) {
          if (status === NodeStatus.SWITCHED) switched.add(node);
          if (status === NodeStatus.FAILED) failed.add(node);
          else failed.delete(node);
        }
      }
    }
    return { switched, failed };
  }
}

function namesOf(servers: readonly Server[]): ReadonlySet<string> {
  return new Set(servers.map(({ name }) => name));
}

function treeOf(changes: readonly RecordedEvent[]): StepFacts['tree'] {
  for (const { type, data } of changes) {
    if (type !== 'ChangeSetComputed') continue;
    return { treeDigest: data.resultTreeDigest, manifestDigest: data.resultManifestDigest };
  }
  return undefined;
}

function endOf(own: readonly RecordedEvent[], outcome: RunOutcome | undefined) {
  for (const { type, data } of own) {
    if (type === 'RunCancelled') return { ended: 'cancelled', endReason: data.reason } as const;
  }
  if (!outcome) return {};
  const { data } = outcome;
  return {
    ended: statusOf(outcome),
    ...('reason' in data ? { endReason: data.reason } : {}),
    ...('nothingChanged' in data ? { nothingChanged: data.nothingChanged } : {}),
  };
}
