import type { Clock } from '#libs/clock/clock.js';
import type { RecordedEvent } from '#libs/contracts/index.js';
import type { EventLog } from './event-log.js';
import type { PartitionLeases } from './leases.js';
import type { Parking } from './parking.js';

/** A read model that is written in the transaction that moves its position. */
export interface Projection<Transaction> {
  /** Names its leases and positions; a new name is a rebuild from the beginning of the log. */
  readonly name: string;
  /** One replica at a time, in the order of the whole log; else each has a share of partitions. */
  readonly inLogOrder?: boolean;
  /** Whether it wants the stored text of each event. */
  readonly withStored?: boolean;
  /** Writes what the events (in order of the log) change; must not commit. */
  apply(transaction: Transaction, events: readonly RecordedEvent[]): Promise<void>;
}

export interface ProjectionOptions<Transaction> {
  readonly log: EventLog;
  readonly leases: PartitionLeases<Transaction>;
  /** Runs work in one transaction: commits when it resolves, rolls back when it throws. */
  transaction(work: (transaction: Transaction) => Promise<void>): Promise<void>;
  readonly clock: Clock;
  /** Unique per process. */
  readonly holder: string;
  /** Takes events that cannot be applied; without one the projection tries them for ever. */
  readonly parking?: Parking<Transaction>;
  /** Whether an error says nothing of the event, e.g. a database that is away. */
  isPassing?(error: unknown): boolean;
  /** Called for what makes the runner start again after a pause: a lost lease, a lost database. */
  onError?(error: unknown): void;
}
