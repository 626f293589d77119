import type { Clock } from '#libs/clock/clock.js';
import {
  type CancelRun,
  DomainError,
  type EventContext,
  type RequestRun,
} from '#libs/contracts/index.js';
import { type Loaded, load } from '#libs/event-log/aggregate.js';
import { type AggregateAppend, type EventLog, VersionConflict } from '#libs/event-log/event-log.js';
import type { LogView } from '#libs/event-log/log-view.js';
import { type Caller, commandContext } from '#libs/nest-jetstream/context.js';
import { type BeginFacts, type Beginning, begin } from '../domain/begin.js';
import type { LinkUse, RunBudget } from '../domain/budget.js';
import { claimAggregate } from '../domain/claim.js';
import { CannotCancel, RunConflict, UnknownRun } from '../domain/errors.js';
import type { Fleet } from '../domain/fleet.js';
import { automaticActor } from '../domain/open-runs.js';
import { isRepetition, type Run, type RunCommand, runAggregate } from '../domain/run.js';
import { targetsOf } from '../domain/targets.js';
import { appendTogether } from './append-together.js';
import type { Claims, SeenClaim } from './claims.js';
import type { Endings } from './endings.js';
import { InTurn } from './in-turn.js';
import { rolloutStart } from './rollout-start.js';
import type { FactsGatherer, RunFacts } from './run-facts.js';

/** What a command did: the aggregate, and the log sequence of its last event; 0: nothing. */
export interface Accepted {
  readonly id: string;
  readonly sequence: number;
}

/** What a run is judged for: a new request, or one that waits. */
interface Case {
  readonly request: RequestRun;
  readonly requestedAtMs: number;
  readonly automatic: boolean;
  readonly isNew: boolean;
  readonly context: EventContext;
}

const maxAttempts = 30;

/** Begins runs: at once, when what is in the way is over, when it is time, or never. */
export class Runs {
  private readonly inTurn = new InTurn();
  /** Runs that are being started and that the view does not show yet. */
  private readonly starting = new Map<string, readonly string[]>();
  /** Runs that wait for room on the network, as far as it is known which links they need. */
  private readonly waitingForRoom = new Map<string, readonly string[]>();

  constructor(
    private readonly log: EventLog,
    private readonly fleet: Pick<LogView<Fleet>, 'state' | 'reaches'>,
    private readonly clock: Clock,
    private readonly claims: Claims,
    private readonly facts: FactsGatherer,
    private readonly endings: Endings,
    private readonly budget: RunBudget,
  ) {}

  /** @throws InvalidRunId, RunExists, what `begin` throws */
  async request(data: RequestRun, caller: Caller): Promise<Accepted> {
    const automatic = caller.actor === automaticActor && !data.terms;
    const context = commandContext(caller, data.runId);
    const requestedAtMs = this.clock.nowMs();
    return this.judge({ request: data, requestedAtMs, automatic, isNew: true, context });
  }

  /** Another look at a run that waits; `causationId` says what it is for. */
  async advance(runId: string, causationId: string, traceparent?: string): Promise<void> {
    const { state } = await load(this.log, runAggregate, runId);
    if (state.situation !== 'waiting') return;
    const open = this.fleet.state.openRuns.get(runId);
    if (await this.isRollingOut(runId, state.request)) return;
    const context = {
      ...{ actor: automaticActor, correlationId: runId },
      causationId: `${causationId}/${runId}`,
      ...(traceparent ? { traceparent } : {}),
    };
    const { automatic = false, requestedAtMs = this.clock.nowMs() } = open ?? {};
    await this.judge({ request: state.request, requestedAtMs, automatic, isNew: false, context });
  }

  private async isRollingOut(runId: string, { terms }: RequestRun): Promise<boolean> {
    if (!terms?.policies?.rollout || terms.rolloutRunId) return false;
    return (await this.log.read({ type: 'rollout', id: runId })).length > 0;
  }

  /** Ends a run that has not started. @throws UnknownRun, CannotCancel */
  async cancel({ runId, reason }: CancelRun, caller: Caller): Promise<Accepted> {
    const { state } = await load(this.log, runAggregate, runId);
    if (state.situation === 'absent') throw new UnknownRun(runId);
    if (state.situation !== 'waiting') throw new CannotCancel(runId, state.situation);
    const context = commandContext(caller, runId);
    const why = reason || `cancelled by ${caller.actor}`;
    const sequence = await this.endings.end(
      { type: 'cancel', runId, reason: why },
      state.request.site,
      context,
    );
    await this.fleet.reaches(sequence);
    return { id: runId, sequence };
  }

  /** Those that wait for room, oldest first, for which there may be some now. */
  *roomSeekers(): Iterable<string> {
    let free = this.budget.perOrigin - this.underWay().length;
    for (const [runId, { situation, blockingRunId }] of this.fleet.state.openRuns) {
      if (situation !== 'queued' || blockingRunId !== '') continue;
      if (free-- <= 0) return;
      yield runId;
    }
  }

  private async judge(judged: Case): Promise<Accepted> {
    const { runId, site } = judged.request;
    try {
      const done = await this.inTurn.do(site, () => this.judgeNow(judged));
      await this.fleet.reaches(done.sequence);
      return done;
    } finally {
      this.starting.delete(runId);
    }
  }

  private async judgeNow(judged: Case): Promise<Accepted> {
    const { runId, site } = judged.request;
    for (let attempt = 1; ; attempt++) {
      // Together: who waits for the same site waits for each of these.
      const [run, facts, claim] = await Promise.all([
        load(this.log, runAggregate, runId),
        this.facts.gather(judged.request),
        this.claims.load(site),
      ]);
      if (judged.isNew && isRepetition(judged.request, run.state))
        return { id: runId, sequence: 0 };
      if (!judged.isNew && run.state.situation !== 'waiting') return { id: runId, sequence: 0 };
      const beginning = await this.beginning(judged, facts, claim);
      if (beginning === 'again' && attempt < maxAttempts) {
        this.claims.forget(site);
        continue;
      }
      if (beginning === 'again') throw new VersionConflict({ type: 'claim', id: site }, claim.head);
      try {
        return await this.record(judged, run, facts, claim, beginning);
      } catch (error) {
        this.claims.forget(site);
        if (!(error instanceof VersionConflict) || attempt === maxAttempts) throw error;
      }
    }
  }

  /** `again`: what was in the way is over, or was seen too long ago to be sure. */
  private async beginning(
    judged: Case,
    facts: RunFacts,
    claim: SeenClaim,
  ): Promise<Beginning | 'again'> {
    const { request, requestedAtMs, automatic, isNew } = judged;
    this.starting.delete(request.runId);
    const before = [...this.linksInUse(request.runId)];
    const all: BeginFacts = {
      ...facts,
      ...{ claim: claim.state, requestedAtMs, automatic, before, budget: this.budget },
    };
    try {
      const beginning = begin(request, all);
      this.reserve(request.runId, beginning.standing, facts);
      const { blockingRunId, displaced } = beginning.claim;
      const inTheWay = [blockingRunId ?? '', ...displaced.map(({ runId }) => runId)];
      return (await this.endings.settle(inTheWay, request.site)) ? 'again' : beginning;
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      if (error instanceof RunConflict) {
        const isOver = await this.endings.settle([error.openRunId], request.site);
        if (isOver || claim.isRemembered) return 'again';
      }
      if (isNew) throw error;
      return {
        standing: { kind: 'cancel', reason: error.message },
        claim: { events: [], isQueued: false, displaced: [] },
      };
    }
  }

  private async record(
    judged: Case,
    run: Loaded<Run>,
    facts: RunFacts,
    claim: SeenClaim,
    { standing, claim: answer }: Beginning,
  ): Promise<Accepted> {
    const { request, isNew, context } = judged;
    const { runId, site } = request;
    if (!facts.site) throw new Error(`${site} is no site`);
    const groups = facts.groups.map(({ name }) => name).sort();
    const command: RunCommand = isNew
      ? { type: 'request', data: request, site: facts.site, groups, standing }
      : { type: 'stand', runId, standing };
    const lets = standing.kind === 'cancel' || standing.kind === 'defer';
    const released = lets
      ? claimAggregate(site).decide({ type: 'release', runId }, claim.state)
      : answer.events;
    const appends: AggregateAppend[] = [
      { aggregate: { type: 'claim', id: site }, expected: claim.head, events: released },
      ...(await this.endings.displace(answer.displaced)),
      {
        aggregate: { type: 'run', id: runId },
        expected: run.head,
        events: runAggregate.decide(command, run.state),
      },
      // After its request: who follows the log must know the run by then.
      ...(standing.kind === 'roll-out' ? rolloutStart(request, facts) : []),
    ];
    if (appends.every(({ events }) => events.length === 0)) return { id: runId, sequence: 0 };
    const events = await appendTogether(this.log, appends, context, this.clock.nowMs());
    this.claims.appended(site, claim, events);
    const ofRun = events.filter(({ aggregate }) => aggregate.type !== 'claim');
    return { id: runId, sequence: ofRun.at(-1)?.sequence ?? 0 };
  }

  /** What is decided counts for the next decision before the view shows it. */
  private reserve(runId: string, standing: Beginning['standing'], facts: RunFacts): void {
    this.waitingForRoom.delete(runId);
    if (standing.kind === 'start') {
      this.starting.set(
        runId,
        (standing.started.targets ?? []).map(({ segment = '' }) => segment),
      );
    } else if (standing.kind === 'queue' && standing.blockingRunId === '') {
      const segments = targetsOf(facts.members).bySegment.map(({ segment }) => segment);
      this.waitingForRoom.set(runId, segments);
    }
  }

  private *linksInUse(runId: string): Iterable<LinkUse> {
    yield* this.underWay();
    for (const [other, { situation, blockingRunId }] of this.fleet.state.openRuns) {
      // Runs are in the order of their requests: who comes after this one must wait for it.
      if (other === runId) return;
      if (situation !== 'queued' || blockingRunId !== '') continue;
      yield { runId: other, segments: this.waitingForRoom.get(other) ?? [] };
    }
  }

  private underWay(): LinkUse[] {
    const uses = new Map(this.starting);
    for (const [runId, { situation, segments }] of this.fleet.state.openRuns) {
      if (situation === 'started') uses.set(runId, segments);
    }
    return [...uses].map(([runId, segments]) => ({ runId, segments }));
  }
}
