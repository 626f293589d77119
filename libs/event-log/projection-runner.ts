import type { Cancel, Clock } from '#libs/clock/clock.js';
import { partitionCount, partitionOf, type RecordedEvent } from '#libs/contracts/index.js';
import { batchesOf } from './batches.js';
import type { EventLog, LogSubscription } from './event-log.js';
import { type Lease, LeaseLost, type PartitionLeases } from './leases.js';

const leaseTtlMs = 30_000;
const renewEveryMs = 10_000;
const pauseAfterErrorMs = 1000;
const lookEveryMs = 200;
const eventsPerTransaction = 500;
const allPartitions = Array.from({ length: partitionCount }, (_, partition) => partition);

/** A read model that is written in the transaction that moves its position. */
export interface Projection<Transaction> {
  /** Names its leases and positions; a new name is a rebuild from the beginning of the log. */
  readonly name: string;
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
  /** Called for what makes the runner start again after a pause: a lost lease, a lost database. */
  onError?(error: unknown): void;
}

/** A projection at work; goes on until `close`, through lost leases and restarts of its servers. */
export interface RunningProjection {
  /** Log sequence up to which the read model is written; also while another replica writes it. */
  position(): Promise<number>;
  /** Resolves to true when the read model has reached the sequence, to false after the timeout. */
  reaches(sequence: number, timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Keeps a read model up to date. Takes every partition that is free, so one replica does the work
 * and the others stand by to go on after it.
 */
export function runProjection<Transaction>(
  projection: Projection<Transaction>,
  options: ProjectionOptions<Transaction>,
): RunningProjection {
  const runner = new Runner(projection, options);
  const running = runner.run();
  return {
    position: () => runner.position(),
    reaches: (sequence, timeoutMs) => runner.reaches(sequence, timeoutMs),
    async close() {
      runner.stop();
      await running;
    },
  };
}

class Runner<Transaction> {
  private isStopped = false;
  private held: readonly Lease[] = [];
  private subscription: LogSubscription | undefined;
  private readonly sleepers = new Set<() => void>();

  constructor(
    private readonly projection: Projection<Transaction>,
    private readonly options: ProjectionOptions<Transaction>,
  ) {}

  async run(): Promise<void> {
    while (!this.isStopped) {
      try {
        this.held = await this.acquire(allPartitions);
        if (this.held.length > 0) await this.follow();
        else await this.pause(renewEveryMs);
      } catch (error) {
        this.options.onError?.(error);
        await this.pause(pauseAfterErrorMs);
      }
    }
    await this.release();
  }

  stop(): void {
    this.isStopped = true;
    void this.subscription?.close();
    this.wake();
  }

  async position(): Promise<number> {
    if (this.held.length === partitionCount) return lowest(this.held);
    return this.options.leases.position(this.projection.name);
  }

  async reaches(sequence: number, timeoutMs: number): Promise<boolean> {
    const deadlineMs = this.options.clock.nowMs() + timeoutMs;
    for (;;) {
      if ((await this.position()) >= sequence) return true;
      const leftMs = deadlineMs - this.options.clock.nowMs();
      if (leftMs <= 0 || this.isStopped) return false;
      await this.pause(Math.min(leftMs, lookEveryMs));
    }
  }

  /** Reads on until stopped, or until the leases change. */
  private async follow(): Promise<void> {
    const afterSequence = lowest(this.held);
    const partitions = this.held.map(({ partition }) => partition);
    const subscription = this.options.log.subscribe({ afterSequence, partitions });
    this.subscription = subscription;
    let failure: { readonly error: unknown } | undefined;
    const cancelRenewal = this.keepRenewing((error) => {
      failure = { error };
      void subscription.close();
    });
    try {
      if (this.isStopped) return;
      for await (const events of batchesOf(subscription, eventsPerTransaction)) {
        if (failure || this.isStopped) break;
        await this.write(events);
      }
    } finally {
      cancelRenewal();
      await subscription.close();
    }
    if (failure) throw failure.error;
  }

  private async write(events: readonly RecordedEvent[]): Promise<void> {
    const { name, apply } = this.projection;
    const { leases, transaction } = this.options;
    const before = this.held;
    const to = events.at(-1)?.sequence ?? 0;
    const positions = new Map(before.map(({ partition, position }) => [partition, position]));
    const unseen = events.filter(({ aggregate, sequence }) => {
      const position = positions.get(partitionOf(aggregate.type, aggregate.id));
      return position !== undefined && sequence > position;
    });
    await transaction(async (open) => {
      if (unseen.length > 0) await apply.call(this.projection, open, unseen);
      await leases.movePositions(open, name, before, to);
    });
    this.held = before.map((lease) => ({ ...lease, position: Math.max(lease.position, to) }));
    this.wake();
  }

  /** Renews at intervals; fails when a lease is lost, or one more could be taken. */
  private keepRenewing(fail: (error: unknown) => void): Cancel {
    let cancel: Cancel = () => undefined;
    let isOver = false;
    const renew = async () => {
      try {
        await this.renew();
        if (!isOver) cancel = this.options.clock.schedule(renewEveryMs, () => void renew());
      } catch (error) {
        fail(error);
      }
    };
    cancel = this.options.clock.schedule(renewEveryMs, () => void renew());
    return () => {
      isOver = true;
      cancel();
    };
  }

  private async renew(): Promise<void> {
    const { leases, holder } = this.options;
    const { name } = this.projection;
    const kept = await leases.renew(name, holder, this.held, leaseTtlMs);
    const keptPartitions = new Set(kept.map(({ partition }) => partition));
    const lost = this.held.filter(({ partition }) => !keptPartitions.has(partition));
    if (lost.length > 0)
      throw new LeaseLost(
        name,
        lost.map(({ partition }) => partition),
      );
    const missing = allPartitions.filter((partition) => !keptPartitions.has(partition));
    if (missing.length === 0) return;
    const more = await this.acquire(missing);
    if (more.length > 0) await this.subscription?.close();
  }

  private acquire(partitions: readonly number[]): Promise<Lease[]> {
    const { leases, holder } = this.options;
    return leases.acquire(this.projection.name, holder, partitions, leaseTtlMs);
  }

  private async release(): Promise<void> {
    const { leases, holder, onError } = this.options;
    try {
      await leases.release(this.projection.name, holder, this.held);
    } catch (error) {
      onError?.(error);
    }
    this.held = [];
  }

  private async pause(durationMs: number): Promise<void> {
    if (this.isStopped) return;
    await new Promise<void>((resolve) => {
      const cancel = this.options.clock.schedule(durationMs, () => wake());
      const wake = () => {
        cancel();
        this.sleepers.delete(wake);
        resolve();
      };
      this.sleepers.add(wake);
    });
  }

  private wake(): void {
    for (const wake of [...this.sleepers]) wake();
  }
}

function lowest(leases: readonly Lease[]): number {
  return Math.min(...leases.map(({ position }) => position));
}
