/** The right of one holder to move one consumer through one partition of the log, for a while. */
export interface Lease {
  readonly partition: number;
  /** Rises each time the partition changes hands; a position moves only with the newest. */
  readonly fencingToken: number;
  /** Log sequence up to which the consumer has done its work in this partition. */
  readonly position: number;
}

/**
 * Who reads which partition, and how far each consumer has come. `Transaction` is what the caller's
 * own writes go through: a position moves in the same transaction as the rows it stands for.
 */
export interface PartitionLeases<Transaction> {
  /**
   * Announces a replica, or says that it still lives. Who is silent for `ttlMs` is gone.
   * @returns the replicas of the consumer that live, in a stable order
   */
  join(consumer: string, holder: string, ttlMs: number): Promise<string[]>;
  /** Says good-bye, so that the others need not wait. */
  leave(consumer: string, holder: string): Promise<void>;
  /**
   * Takes those of the partitions that nobody holds or whose lease has expired, and anew those that
   * the holder has already.
   */
  acquire(
    consumer: string,
    holder: string,
    partitions: readonly number[],
    ttlMs: number,
  ): Promise<Lease[]>;
  /** Prolongs leases. @returns those that are still held */
  renew(
    consumer: string,
    holder: string,
    leases: readonly Lease[],
    ttlMs: number,
  ): Promise<Lease[]>;
  /** Gives leases back, so that others need not wait for them to expire. */
  release(consumer: string, holder: string, leases: readonly Lease[]): Promise<void>;
  /**
   * Moves one partition's position, if it is still at `from` and the token is still the newest.
   * @throws LeaseLost; the transaction must then be rolled back
   */
  movePosition(
    transaction: Transaction,
    consumer: string,
    partition: number,
    fencingToken: number,
    from: number,
    to: number,
  ): Promise<void>;
  /** `movePosition` of several leases to one sequence, never backwards. @throws LeaseLost */
  movePositions(
    transaction: Transaction,
    consumer: string,
    leases: readonly Lease[],
    to: number,
  ): Promise<void>;
  /** The lowest position of all partitions: everything up to it is done; 0 for an unknown one. */
  position(consumer: string): Promise<number>;
}

export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
  constructor(consumer: string, partitions: readonly number[]) {
    super(
      `${consumer} has lost its lease of partition ${partitions.join(', ')} to another replica`,
    );
  }
}
