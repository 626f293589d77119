import type { Clock } from '#libs/clock/clock.js';
import { type Lease, LeaseLost, type PartitionLeases } from './leases.js';

/** What happens together when the transaction commits. */
export interface MemoryTransaction {
  readonly effects: (() => void)[];
}

/** Runs all effects, or none when the work or the first of them throws. */
export async function memoryTransaction(
  work: (transaction: MemoryTransaction) => Promise<void>,
): Promise<void> {
  const transaction: MemoryTransaction = { effects: [] };
  await work(transaction);
  for (const effect of transaction.effects) effect();
}

/** Leases in memory, for replicas within one process: tests and the simulator. */
export function memoryLeases(clock: Clock): PartitionLeases<MemoryTransaction> {
  return new MemoryLeases(clock);
}

interface Row {
  holder: string | undefined;
  fencingToken: number;
  expiresAtMs: number;
  position: number;
}

class MemoryLeases implements PartitionLeases<MemoryTransaction> {
  private readonly consumers = new Map<string, Map<number, Row>>();

  private readonly members = new Map<string, Map<string, number>>();

  constructor(private readonly clock: Clock) {}

  async join(consumer: string, holder: string, ttlMs: number) {
    const members = this.members.get(consumer) ?? new Map<string, number>();
    this.members.set(consumer, members.set(holder, this.clock.nowMs() + ttlMs));
    const alive = [...members].filter(([, endsMs]) => endsMs > this.clock.nowMs());
    return [...new Set([...alive.map(([name]) => name), holder])].sort();
  }

  async leave(consumer: string, holder: string) {
    this.members.get(consumer)?.delete(holder);
  }

  async acquire(consumer: string, holder: string, partitions: readonly number[], ttlMs: number) {
    const nowMs = this.clock.nowMs();
    const taken: Lease[] = [];
    for (const partition of partitions) {
      const row = this.rowOf(consumer, partition);
      const isTaken = row.holder !== undefined && row.holder !== holder;
      if (isTaken && row.expiresAtMs > nowMs) continue;
      row.holder = holder;
      row.fencingToken += 1;
      row.expiresAtMs = nowMs + ttlMs;
      taken.push({ partition, fencingToken: row.fencingToken, position: row.position });
    }
    return taken;
  }

  async renew(consumer: string, holder: string, leases: readonly Lease[], ttlMs: number) {
    return this.heldBy(consumer, holder, leases).map(({ lease, row }) => {
      row.expiresAtMs = this.clock.nowMs() + ttlMs;
      return { ...lease, position: row.position };
    });
  }

  async release(consumer: string, holder: string, leases: readonly Lease[]) {
    for (const { row } of this.heldBy(consumer, holder, leases)) row.holder = undefined;
  }

  async movePosition(
    transaction: MemoryTransaction,
    consumer: string,
    partition: number,
    fencingToken: number,
    from: number,
    to: number,
  ) {
    const lease = { partition, fencingToken, position: from };
    await this.movePositions(transaction, consumer, [lease], to);
  }

  async movePositions(
    transaction: MemoryTransaction,
    consumer: string,
    leases: readonly Lease[],
    to: number,
  ) {
    this.checkStillHeld(consumer, leases);
    transaction.effects.unshift(() => this.checkStillHeld(consumer, leases));
    transaction.effects.push(() => {
      for (const { partition } of leases) {
        const row = this.rowOf(consumer, partition);
        row.position = Math.max(row.position, to);
      }
    });
  }

  async position(consumer: string) {
    const rows = [...(this.consumers.get(consumer)?.values() ?? [])];
    return rows.length === 0 ? 0 : Math.min(...rows.map(({ position }) => position));
  }

  private rowOf(consumer: string, partition: number): Row {
    const rows = this.consumers.get(consumer) ?? new Map<number, Row>();
    this.consumers.set(consumer, rows);
    const row = rows.get(partition) ?? newRow();
    rows.set(partition, row);
    return row;
  }

  private heldBy(consumer: string, holder: string, leases: readonly Lease[]) {
    return leases
      .map((lease) => ({ lease, row: this.rowOf(consumer, lease.partition) }))
      .filter(({ lease, row }) => row.holder === holder && isSame(lease, row));
  }

  private checkStillHeld(consumer: string, leases: readonly Lease[]): void {
    const lost = leases.filter((lease) => {
      const row = this.rowOf(consumer, lease.partition);
      return !isSame(lease, row) || row.position !== lease.position;
    });
    if (lost.length === 0) return;
    const partitions = lost.map(({ partition }) => partition);
    throw new LeaseLost(consumer, partitions);
  }
}

const isSame = (lease: Lease, row: Row) => lease.fencingToken === row.fencingToken;

function newRow(): Row {
  return { holder: undefined, fencingToken: 0, expiresAtMs: 0, position: 0 };
}
