import type { RecordedEvent } from '#libs/contracts/index.js';

/**
 * Where a projection puts an event that it cannot apply, and the later ones of the same aggregate,
 * so that their order is kept and the others go on. In the transaction of the projection.
 */
export interface Parking<Transaction> {
  /** The aggregates (`type.id`) of which a consumer has parked events; they stay as they are. */
  parked(transaction: Transaction, consumer: string): Promise<ReadonlySet<string>>;
  park(
    transaction: Transaction,
    consumer: string,
    event: RecordedEvent,
    reason: string,
  ): Promise<void>;
}

export function aggregateKey({ aggregate }: Pick<RecordedEvent, 'aggregate'>): string {
  return `${aggregate.type}.${aggregate.id}`;
}
