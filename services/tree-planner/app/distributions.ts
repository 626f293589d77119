import type { Clock } from '#libs/clock/clock.js';
import type { EventContext, RecordedEvent } from '#libs/contracts/index.js';
import { execute } from '#libs/event-log/aggregate.js';
import { type EventLog, VersionConflict } from '#libs/event-log/event-log.js';
import {
  type DistributionCommand,
  distributionAggregate,
  type Reception,
} from '../domain/distribution.js';
import type { View } from './ports.js';

/** Receptions in one append at most. */
const mostTogether = 200;

/** Receptions that will be appended together. */
interface Gathering {
  readonly received: Reception[];
  readonly appended: Promise<RecordedEvent[]>;
}

/** The cause of several reports; of a single one it is the report. */
function together(context: EventContext, received: readonly Reception[]): EventContext {
  if (received.length === 1) return context;
  const causationId = `received/${received.map(({ segment }) => segment).join()}`;
  return { ...context, actor: 'service:tree-planner', causationId };
}

/**
 * Appends to distributions. Decides on the view's state instead of reading a distribution's
 * thousands of events each time; changes of one distribution wait for each other.
 */
export class Distributions {
  private readonly last = new Map<string, Promise<unknown>>();
  /** Receptions that wait for their turn. */
  private readonly gathering = new Map<string, Gathering>();

  constructor(
    private readonly log: EventLog,
    private readonly view: View,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves when the view shows what the command made happen.
   * @throws NotPlanned, NotInPlan, LogUnavailable
   */
  change(
    assignmentId: string,
    command: DistributionCommand,
    context: EventContext,
  ): Promise<RecordedEvent[]> {
    return this.inTurn(assignmentId, () => this.changeNow(assignmentId, command, context));
  }

  /**
   * As `change`; leaders that report while something else is appended are appended together.
   * @returns whether it was not known before
   */
  async receive(
    assignmentId: string,
    reception: Reception,
    context: EventContext,
  ): Promise<boolean> {
    const gathering = this.gathering.get(assignmentId) ?? this.gather(assignmentId, context);
    gathering.received.push(reception);
    if (gathering.received.length >= mostTogether) this.gathering.delete(assignmentId);
    const events = await gathering.appended;
    return events.some(
      ({ type, data }) => type === 'LeaderReceived' && data.segment === reception.segment,
    );
  }

  private gather(assignmentId: string, context: EventContext): Gathering {
    const received: Reception[] = [];
    const appended = this.inTurn(assignmentId, () => {
      if (this.gathering.get(assignmentId) === gathering) this.gathering.delete(assignmentId);
      const command = { type: 'receive', received } as const;
      return this.changeNow(assignmentId, command, together(context, received));
    });
    const gathering = { received, appended };
    this.gathering.set(assignmentId, gathering);
    return gathering;
  }

  /** Changes of one distribution wait for each other. */
  private inTurn<T>(assignmentId: string, action: () => Promise<T>): Promise<T> {
    const before = this.last.get(assignmentId) ?? Promise.resolve();
    const change = before.then(action);
    const settled = change.then(
      () => undefined,
      () => undefined,
    );
    this.last.set(assignmentId, settled);
    void settled.then(() => {
      if (this.last.get(assignmentId) === settled) this.last.delete(assignmentId);
    });
    return change;
  }

  private async changeNow(
    assignmentId: string,
    command: DistributionCommand,
    context: EventContext,
  ): Promise<RecordedEvent[]> {
    const recorded = await this.append(assignmentId, command, context);
    await this.view.reaches(recorded.at(-1)?.sequence ?? 0);
    return recorded;
  }

  private async append(
    assignmentId: string,
    command: DistributionCommand,
    context: EventContext,
  ): Promise<RecordedEvent[]> {
    const nowMs = this.clock.nowMs();
    const delivery = this.view.state.deliveries.get(assignmentId);
    if (delivery) {
      const events = distributionAggregate.decide(command, delivery.distribution);
      if (events.length === 0) return [];
      const aggregate = { type: 'distribution', id: assignmentId } as const;
      try {
        return await this.log.append(aggregate, delivery.head, events, context, nowMs);
      } catch (error) {
        if (!(error instanceof VersionConflict)) throw error;
      }
    }
    return execute(this.log, distributionAggregate, assignmentId, command, context, nowMs);
  }
}
