import type { Clock } from '#libs/clock/clock.js';
import type { EventContext, RecordedEvent } from '#libs/contracts/index.js';
import { load } from '#libs/event-log/aggregate.js';
import { type AggregateAppend, type EventLog, VersionConflict } from '#libs/event-log/event-log.js';
import { contextOf } from '#libs/nest-jetstream/context.js';
import { claimAggregate } from '../domain/claim.js';
import { type RunCommand, type RunStatus, runAggregate } from '../domain/run.js';
import { appendTogether } from './append-together.js';
import type { Claims } from './claims.js';

export type RunOutcome = RecordedEvent<
  'RunCompleted' | 'RunPartiallyCompleted' | 'RunFailed' | 'RunAborted'
>;

type End = Extract<RunCommand, { type: 'cancel' | 'close' }>;

const maxAttempts = 30;

/** Ends runs: what a run held goes, in the same append, to who waits for it. */
export class Endings {
  constructor(
    private readonly log: EventLog,
    private readonly clock: Clock,
    private readonly claims: Claims,
  ) {}

  /** Releases what a run held when its outcome is known. Harmless to repeat. */
  async close(outcome: RunOutcome): Promise<void> {
    const { runId, site } = outcome.data;
    const command = { type: 'close', runId, status: statusOf(outcome) } as const;
    await this.end(command, site, contextOf(outcome, 'scheduler'));
  }

  /** @returns the sequence of the run's last event; 0: it was over */
  async end(command: End, site: string, context: EventContext): Promise<number> {
    const { runId } = command;
    for (let attempt = 1; ; attempt++) {
      const run = await load(this.log, runAggregate, runId);
      const claim = await this.claims.load(site);
      const released = claimAggregate(site).decide({ type: 'release', runId }, claim.state);
      const ended = runAggregate.decide(command, run.state);
      if (released.length === 0 && claim.isRemembered && ended.length === 0) {
        this.claims.forget(site);
        continue;
      }
      if (released.length === 0 && ended.length === 0) return 0;
      const appends = [
        { aggregate: { type: 'claim', id: site }, expected: claim.head, events: released },
        { aggregate: { type: 'run', id: runId }, expected: run.head, events: ended },
      ] as const;
      try {
        const events = await appendTogether(this.log, appends, context, this.clock.nowMs());
        this.claims.appended(site, claim, events);
        return events.findLast(({ aggregate }) => aggregate.type === 'run')?.sequence ?? 0;
      } catch (error) {
        this.claims.forget(site);
        if (!(error instanceof VersionConflict) || attempt === maxAttempts) throw error;
      }
    }
  }

  /**
   * Looks in the log whether runs that hold a claim are over: their outcome may be known and not
   * taken in yet, or who held it crashed. @returns whether one of them made room
   */
  async settle(runIds: readonly string[], site: string): Promise<boolean> {
    let isSettled = false;
    for (const runId of runIds) {
      if (runId !== '' && (await this.settleOne(runId, site))) isSettled = true;
    }
    return isSettled;
  }

  /** The appends that cancel runs which gave way. */
  async displace(
    displaced: readonly { readonly runId: string; readonly reason: string }[],
  ): Promise<AggregateAppend[]> {
    return Promise.all(
      displaced.map(async ({ runId, reason }) => {
        const { state, head } = await load(this.log, runAggregate, runId);
        const events = runAggregate.decide({ type: 'cancel', runId, reason }, state);
        return { aggregate: { type: 'run', id: runId }, expected: head, events };
      }),
    );
  }

  private async settleOne(runId: string, site: string): Promise<boolean> {
    const [ofOutcome, { state, head }] = await Promise.all([
      this.log.read({ type: 'outcome', id: runId }),
      load(this.log, runAggregate, runId),
    ]);
    const outcome = ofOutcome.find(isOutcome);
    if (outcome) {
      await this.close(outcome as RunOutcome);
      return true;
    }
    if (state.situation !== 'over') return false;
    const claim = await this.claims.load(site);
    const events = claimAggregate(site).decide({ type: 'release', runId }, claim.state);
    if (events.length === 0) return claim.isRemembered;
    const context = {
      ...{ actor: 'service:scheduler', correlationId: runId },
      causationId: `settle/${runId}/${head.version}`,
    };
    const aggregate = { type: 'claim', id: site } as const;
    const nowMs = this.clock.nowMs();
    const recorded = await this.log.append(aggregate, claim.head, events, context, nowMs);
    this.claims.appended(site, claim, recorded);
    return true;
  }
}

const endings: ReadonlySet<string> = new Set<RunOutcome['type']>([
  'RunCompleted',
  'RunPartiallyCompleted',
  'RunFailed',
  'RunAborted',
]);

export function isOutcome({ type }: RecordedEvent): boolean {
  return endings.has(type);
}

export function statusOf(outcome: RunOutcome): RunStatus {
  switch (outcome.type) {
    case 'RunCompleted':
      return 'completed';
    case 'RunPartiallyCompleted':
      return 'partial';
    case 'RunFailed':
      return 'failed';
    case 'RunAborted':
      return 'aborted';
  }
}
