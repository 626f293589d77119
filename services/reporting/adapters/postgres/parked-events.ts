import type { DataSource, EntityManager } from 'typeorm';
import { eventFromText, isUnreadable, toCloudEvent } from '#libs/contracts/index.js';
import { aggregateKey, type Parking } from '#libs/event-log/parking.js';
import type { Projection } from '#libs/event-log/projection.js';

/** An event that a projection could not apply, or that follows one. */
export interface ParkedEvent {
  readonly consumer: string;
  readonly aggregate: string;
  readonly sequence: number;
  readonly type: string;
  readonly reason: string;
  readonly body: string;
  readonly parked_at: Date;
}

/** Parked events as rows beside the read models. */
export const parkedEvents: Parking<EntityManager> = {
  async parked(transaction, consumer) {
    // Waits for a retry that is under way: what it takes away is not parked any more.
    const rows = await transaction.query<{ aggregate: string }[]>(
      'select aggregate from parked_event where consumer = $1 for share',
      [consumer],
    );
    return new Set(rows.map(({ aggregate }) => aggregate));
  },

  async park(transaction, consumer, event, reason) {
    const body = event.stored ?? (isUnreadable(event) ? '' : JSON.stringify(toCloudEvent(event)));
    const type = isUnreadable(event) ? event.unreadable.wireType : event.type;
    await transaction.query(
      `insert into parked_event (consumer, sequence, aggregate, id, type, reason, body)
      values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
      [consumer, event.sequence, aggregateKey(event), event.id, type, reason, body],
    );
  },
};

/** What is parked, by aggregate. */
export async function parkedAggregates(database: DataSource) {
  const rows: (ParkedEvent & { letters: string })[] = await database.query(
    `select distinct on (consumer, aggregate) *,
      count(*) over (partition by consumer, aggregate) as letters
    from parked_event order by consumer, aggregate, sequence limit 1000`,
  );
  return rows.map(({ consumer, aggregate, letters, sequence, reason, parked_at }) => ({
    consumer,
    aggregate,
    letters: Number(letters),
    sequence: BigInt(sequence),
    reason,
    since: parked_at.toISOString(),
  }));
}

export async function listParked(database: DataSource): Promise<ParkedEvent[]> {
  const rows: (Omit<ParkedEvent, 'sequence'> & { sequence: string })[] = await database.query(
    'select * from parked_event order by consumer, sequence limit 1000',
  );
  return rows.map((row) => ({ ...row, sequence: Number(row.sequence) }));
}

/**
 * Applies an aggregate's parked events in their order, all or none.
 * @returns how many
 * @throws what the projection throws
 */
export async function retryParked(
  database: DataSource,
  projection: Projection<EntityManager>,
  aggregate: string,
): Promise<number> {
  return database.transaction(async (transaction) => {
    let count = 0;
    for (;;) {
      const rows = await transaction.query<{ sequence: string; body: string }[]>(
        `with gone as (delete from parked_event where consumer = $1 and aggregate = $2 returning *)
        select sequence, body from gone order by sequence`,
        [projection.name, aggregate],
      );
      if (rows.length === 0) return count;
      const events = rows.map(({ sequence, body }) => eventFromText(body, Number(sequence)));
      const damaged = events.find(isUnreadable);
      if (damaged) throw new Error(`event ${damaged.sequence}: ${damaged.unreadable.reason}`);
      await projection.apply(transaction, events);
      count += rows.length;
    }
  });
}
