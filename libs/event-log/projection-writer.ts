import {
  eventTypeOf,
  isUnreadable,
  partitionOfRows,
  type RecordedEvent,
} from '#libs/contracts/index.js';
import type { Passed } from './event-log.js';
import { type Lease, LeaseLost } from './leases.js';
import { aggregateKey } from './parking.js';
import type { Projection, ProjectionOptions } from './projection.js';

/** Writes batches of a projection, each with its positions in one transaction. */
export class ProjectionWriter<Transaction> {
  constructor(
    private readonly projection: Projection<Transaction>,
    private readonly options: ProjectionOptions<Transaction>,
  ) {}

  /** @returns the leases with their new positions */
  async write(
    items: readonly (RecordedEvent | Passed)[],
    held: readonly Lease[],
  ): Promise<readonly Lease[]> {
    const to = items.at(-1)?.sequence ?? 0;
    const events = unseen(items, held);
    try {
      await this.commit(events, held, to);
      return moved(held, to);
    } catch (error) {
      const { parking, isPassing } = this.options;
      if (!parking || error instanceof LeaseLost || isPassing?.(error)) throw error;
      return this.writeOneByOne(events, held, to);
    }
  }

  /** One of the events cannot be applied: finds and parks it. */
  private async writeOneByOne(
    events: readonly RecordedEvent[],
    held: readonly Lease[],
    to: number,
  ): Promise<readonly Lease[]> {
    let leases = held;
    for (const event of events) {
      try {
        await this.commit([event], leases, event.sequence);
      } catch (error) {
        if (error instanceof LeaseLost || this.options.isPassing?.(error)) throw error;
        await this.commit([event], leases, event.sequence, String(error));
      }
      leases = moved(leases, event.sequence);
    }
    await this.commit([], leases, to);
    return moved(leases, to);
  }

  /** @param failure why the events are parked instead of applied */
  private async commit(
    events: readonly RecordedEvent[],
    held: readonly Lease[],
    to: number,
    failure?: string,
  ): Promise<void> {
    const { leases, transaction } = this.options;
    const { name, apply } = this.projection;
    await transaction(async (open) => {
      const good = await this.parkBad(open, events, failure);
      if (good.length > 0) await apply.call(this.projection, open, good);
      await leases.movePositions(open, name, held, to);
    });
  }

  /** Parks damaged events, and those of aggregates that have parked ones. @returns the others */
  private async parkBad(
    open: Transaction,
    events: readonly RecordedEvent[],
    failure: string | undefined,
  ): Promise<readonly RecordedEvent[]> {
    const { parking } = this.options;
    const { name } = this.projection;
    if (!parking || events.length === 0) return events;
    const parked = new Set(await parking.parked(open, name));
    if (!failure && parked.size === 0 && !events.some(damageOf)) return events;
    const good: RecordedEvent[] = [];
    for (const event of events) {
      const key = aggregateKey(event);
      const reason = failure ?? damageOf(event) ?? (parked.has(key) ? 'follows a parked one' : '');
      if (reason === '') good.push(event);
      else await parking.park(open, name, event, reason);
      if (reason !== '') parked.add(key);
    }
    return good;
  }
}

/** Why a known event cannot be read; one of a later version is no damage: nobody needs it here. */
function damageOf(event: RecordedEvent): string | undefined {
  if (!isUnreadable(event)) return undefined;
  const { wireType, reason } = event.unreadable;
  const isOfLaterVersion = wireType !== '' && eventTypeOf(wireType) === undefined;
  return isOfLaterVersion ? undefined : reason;
}

function unseen(
  items: readonly (RecordedEvent | Passed)[],
  held: readonly Lease[],
): RecordedEvent[] {
  const positions = new Map(held.map(({ partition, position }) => [partition, position]));
  return items.filter((item): item is RecordedEvent => {
    if (item.type === 'Passed') return false;
    const { type, id } = item.aggregate;
    const position = positions.get(partitionOfRows(type, id, item.context.correlationId));
    return position !== undefined && item.sequence > position;
  });
}

function moved(held: readonly Lease[], to: number): readonly Lease[] {
  return held.map((lease) => ({ ...lease, position: Math.max(lease.position, to) }));
}
