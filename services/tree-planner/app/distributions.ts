import type { Clock } from '#libs/clock/clock.js';
import type { EventContext, RecordedEvent } from '#libs/contracts/index.js';
import { execute } from '#libs/event-log/aggregate.js';
import { type EventLog, VersionConflict } from '#libs/event-log/event-log.js';
import { type DistributionCommand, distributionAggregate } from '../domain/distribution.js';
import type { View } from './ports.js';

/**
 * Appends to distributions. Decides on the view's state instead of reading a distribution's
 * thousands of events each time; changes of one distribution wait for each other.
 */
export class Distributions {
  private readonly last = new Map<string, Promise<unknown>>();

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
    const before = this.last.get(assignmentId) ?? Promise.resolve();
    const change = before.then(() => this.changeNow(assignmentId, command, context));
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
