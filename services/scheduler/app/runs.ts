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
import type { RunBudget } from '../domain/budget.js';
import { claimAggregate } from '../domain/claim.js';
import { CannotCancel, RunConflict, UnknownRun } from '../domain/errors.js';
import type { Fleet } from '../domain/fleet.js';
import { automaticActor } from '../domain/open-runs.js';
import { isRepetition, type Run, type RunCommand, runAggregate } from '../domain/run.js';
import { appendTogether } from './append-together.js';
import type { Claims, SeenClaim } from './claims.js';
import type { Endings } from './endings.js';
import { InTurn } from './in-turn.js';
import { NetworkRoom } from './network-room.js';
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

/** What is decided by. */
interface Seen {
  readonly run: Loaded<Run>;
  readonly facts: RunFacts;
}

const maxAttempts = 30;
/** So long a run that was looked for in the log counts as under way for who queues behind it. */
const underWayForMs = 1_000;

/** Begins runs: at once, when what is in the way is over, when it is time, or never. */
export class Runs {
  private readonly inTurn = new InTurn();
  /** Site -> the run that was in somebody's way there last, and when the log was asked for it. */
  private readonly inTheWay = new Map<string, { readonly runId: string; readonly atMs: number }>();
  private readonly room: NetworkRoom;

  constructor(
    private readonly log: EventLog,
    private readonly fleet: Pick<LogView<Fleet>, 'state' | 'reaches'>,
    private readonly clock: Clock,
    private readonly claims: Claims,
    private readonly facts: FactsGatherer,
    private readonly endings: Endings,
    private readonly budget: RunBudget,
  ) {
    this.room = new NetworkRoom(fleet, budget);
  }

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
  roomSeekers(): Iterable<string> {
    return this.room.seekers();
  }

  private async judge(judged: Case): Promise<Accepted> {
    const { runId, site } = judged.request;
    try {
      // Before its turn: who waits for the same site waits for each thing that is read in it.
      const before = this.inTurn.isBusy(site) && judged.isNew ? await this.look(judged) : undefined;
      const done = await this.inTurn.do(site, () => this.judgeNow(judged, before));
      await this.fleet.reaches(done.sequence);
      return done;
    } finally {
      this.room.forget(runId);
    }
  }

  private async look({ request }: Case): Promise<Seen> {
    const [run, facts] = await Promise.all([
      load(this.log, runAggregate, request.runId),
      this.facts.gather(request),
    ]);
    return { run, facts };
  }

  /** @param before what was seen before its turn: enough for a place in the queue */
  private async judgeNow(judged: Case, before: Seen | undefined): Promise<Accepted> {
    const { runId, site } = judged.request;
    for (let attempt = 1, early = before; ; attempt++) {
      const claim = await this.claims.load(site);
      const place = early && this.placeInQueue(judged, early, claim);
      const seen = early && place ? early : await this.look(judged);
      if (isDone(judged, seen)) return { id: runId, sequence: 0 };
      const beginning = place ?? (await this.beginning(judged, seen.facts, claim));
      if (beginning === 'again' && attempt < maxAttempts) {
        this.claims.forget(site);
        continue;
      }
      if (beginning === 'again') throw new VersionConflict({ type: 'claim', id: site }, claim.head);
      try {
        return await this.record(judged, seen, claim, beginning);
      } catch (error) {
        this.claims.forget(site);
        if (!(error instanceof VersionConflict) || attempt === maxAttempts) throw error;
        early = error.aggregate.type === 'claim' ? seen : undefined;
      }
    }
  }

  /**
   * Its place in the queue, where it has to wait for another run. It is judged again when its turn
   * comes, so that what was seen a moment ago is good enough for that; undefined: it is not.
   */
  private placeInQueue(
    { request, requestedAtMs, automatic }: Case,
    { facts }: Seen,
    claim: SeenClaim,
  ): Beginning | undefined {
    const judgedBy = { claim: claim.state, requestedAtMs, automatic, budget: this.budget };
    try {
      const beginning = begin(request, { ...facts, ...judgedBy, before: [] });
      const { blockingRunId, isQueued, displaced } = beginning.claim;
      if (!blockingRunId || !isQueued || displaced.length > 0) return undefined;
      if (!this.wasUnderWay(request.site, blockingRunId)) return undefined;
      this.room.reserve(request.runId, beginning.standing, facts);
      return beginning;
    } catch (error) {
      if (error instanceof DomainError) return undefined;
      throw error;
    }
  }

  /** Whether the log said so a moment ago. Its end hands on to all that wait by then. */
  private wasUnderWay(site: string, blockingRunId: string): boolean {
    const known = this.inTheWay.get(site);
    if (known?.runId !== blockingRunId) return false;
    return this.clock.nowMs() - known.atMs < underWayForMs;
  }

  /** `again`: what was in the way is over, or was seen too long ago to be sure. */
  private async beginning(
    judged: Case,
    facts: RunFacts,
    claim: SeenClaim,
  ): Promise<Beginning | 'again'> {
    const { request, requestedAtMs, automatic, isNew } = judged;
    const before = [...this.room.inUse(request.runId)];
    const all: BeginFacts = {
      ...facts,
      ...{ claim: claim.state, requestedAtMs, automatic, before, budget: this.budget },
    };
    try {
      const beginning = begin(request, all);
      this.room.reserve(request.runId, beginning.standing, facts);
      const { blockingRunId = '', displaced } = beginning.claim;
      const inTheWay = [blockingRunId, ...displaced.map(({ runId }) => runId)];
      const atMs = this.clock.nowMs();
      if (await this.endings.settle(inTheWay, request.site)) return 'again';
      // Nothing is appended to the claim, so that nothing else would find out that it has changed.
      const isUnsure = claim.isRemembered && beginning.claim.events.length === 0;
      if (blockingRunId !== '' && isUnsure) return 'again';
      if (blockingRunId !== '') this.inTheWay.set(request.site, { runId: blockingRunId, atMs });
      return beginning;
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
    { run, facts }: Seen,
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
}

/** A repeated request, or a look at a run that does not wait any more. @throws RunExists */
function isDone({ request, isNew }: Case, { run: { state } }: Seen): boolean {
  return isNew ? isRepetition(request, state) : state.situation !== 'waiting';
}
