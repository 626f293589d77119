import { type Cancel, scheduleTogether } from '#libs/clock/clock.js';
import { partitionCount, type RecordedEvent } from '#libs/contracts/index.js';
import { batchesOf } from './batches.js';
import type { LogSubscription, Passed } from './event-log.js';
import { allPartitions, fairShare } from './fair-share.js';
import { type Lease, LeaseLost } from './leases.js';
import type { Projection, ProjectionOptions } from './projection.js';
import { ProjectionWriter } from './projection-writer.js';

/** A replica that is silent for so long is gone, and its partitions go to the others. */
const leaseTtlMs = 3_500;
const renewEveryMs = 1_200;
const pauseAfterErrorMs = 500;
const lookEveryMs = 50;
const eventsPerTransaction = 2_000;

/** A projection at work; goes on until `close`, through lost leases and restarts of its servers. */
export interface RunningProjection {
  /** Log sequence up to which the read model is written; also while another replica writes it. */
  position(): Promise<number>;
  /** Resolves to true when the read model has reached the sequence, to false after the timeout. */
  reaches(sequence: number, timeoutMs: number): Promise<boolean>;
  /** The partitions that this replica holds now. */
  partitions(): readonly number[];
  /** Why its share of the work is not done at present; undefined when it is. */
  problem(): string | undefined;
  close(): Promise<void>;
}

/**
 * Keeps a read model up to date. The replicas share the partitions of the log: each takes its part,
 * gives the surplus back when another comes, and takes over what falls free when one dies.
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
    partitions: () => runner.partitions(),
    problem: () => runner.problem(),
    async close() {
      runner.stop();
      await running;
    },
  };
}

class Runner<Transaction> {
  private isStopped = false;
  private held: readonly Lease[] = [];
  private confirmedMs: number;
  private subscription: LogSubscription<RecordedEvent | Passed> | undefined;
  private readonly sleepers = new Set<() => void>();
  private readonly writer: ProjectionWriter<Transaction>;

  constructor(
    private readonly projection: Projection<Transaction>,
    private readonly options: ProjectionOptions<Transaction>,
  ) {
    this.writer = new ProjectionWriter(projection, options);
    this.confirmedMs = options.clock.nowMs();
  }

  async run(): Promise<void> {
    while (!this.isStopped) {
      try {
        await this.takeShare();
        if (this.held.length > 0) await this.follow();
        else await this.pause(renewEveryMs);
      } catch (error) {
        this.options.onError?.(error);
        await this.pause(pauseAfterErrorMs);
      }
    }
    await this.leave();
  }

  stop(): void {
    this.isStopped = true;
    void this.subscription?.close();
    this.wake();
  }

  partitions(): readonly number[] {
    return this.held.map(({ partition }) => partition);
  }

  problem(): string | undefined {
    const silentMs = this.options.clock.nowMs() - this.confirmedMs;
    if (silentMs <= leaseTtlMs + renewEveryMs) return undefined;
    return `${this.projection.name} lacks partitions for ${Math.round(silentMs / 1000)} s`;
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

  /** Gives back what is not this replica's any more and takes what is. */
  private async takeShare(): Promise<void> {
    const { leases, holder } = this.options;
    const { name } = this.projection;
    const share = await this.share();
    const kept = await leases.renew(name, holder, this.held, leaseTtlMs);
    const surplus = kept.filter(({ partition }) => !share.has(partition));
    if (surplus.length > 0) await leases.release(name, holder, surplus);
    const own = kept.filter(({ partition }) => share.has(partition));
    const missing = [...share].filter((one) => !own.some(({ partition }) => partition === one));
    const gained = missing.length > 0 ? await this.acquire(missing) : [];
    this.held = [...own, ...gained];
    this.confirm(gained.length === missing.length);
  }

  private async share(): Promise<ReadonlySet<number>> {
    const { leases, holder } = this.options;
    const alive = await leases.join(this.projection.name, holder, leaseTtlMs);
    return new Set(this.projection.inLogOrder ? allPartitions : fairShare(holder, alive));
  }

  /** Reads on until stopped, or until the leases change. */
  private async follow(): Promise<void> {
    const { withStored } = this.projection;
    const subscription = this.options.log.follow({
      afterSequence: lowest(this.held),
      partitions: this.partitions(),
      ...(withStored ? { withStored } : {}),
    });
    this.subscription = subscription;
    let failure: { readonly error: unknown } | undefined;
    let isOver = false;
    const cancelRenewal = this.keepRenewing((error) => {
      isOver = true;
      if (error) failure = { error };
      void subscription.close();
    });
    try {
      if (this.isStopped) return;
      for await (const items of batchesOf(subscription, eventsPerTransaction)) {
        if (isOver || this.isStopped) break;
        this.held = await this.writer.write(items, this.held);
        this.wake();
      }
    } finally {
      cancelRenewal();
      await subscription.close();
    }
    if (failure) throw failure.error;
  }

  /** Renews at intervals; ends the reading when a lease is lost, or the share has changed. */
  private keepRenewing(end: (error?: unknown) => void): Cancel {
    let cancel: Cancel = () => undefined;
    let isOver = false;
    const renew = async () => {
      try {
        if (await this.renew()) end();
        else if (!isOver) cancel = renewNext();
      } catch (error) {
        end(error);
      }
    };
    const renewNext = () => {
      return scheduleTogether(this.options.clock, renewEveryMs, () => void renew());
    };
    cancel = renewNext();
    return () => {
      isOver = true;
      cancel();
    };
  }

  /** @returns whether this replica's share is another than what it holds */
  private async renew(): Promise<boolean> {
    const { leases, holder } = this.options;
    const { name } = this.projection;
    const share = await this.share();
    const before = this.held;
    const kept = await leases.renew(name, holder, before, leaseTtlMs);
    const keptPartitions = new Set(kept.map(({ partition }) => partition));
    const lost = before.filter(({ partition }) => !keptPartitions.has(partition));
    if (lost.length > 0)
      throw new LeaseLost(
        name,
        lost.map(({ partition }) => partition),
      );
    if (kept.some(({ partition }) => !share.has(partition))) return true;
    const missing = [...share].filter((partition) => !keptPartitions.has(partition));
    this.confirm(missing.length === 0);
    return missing.length > 0 && (await this.acquire(missing)).length > 0;
  }

  /** Where one replica does all, the others do what they should when they stand by. */
  private confirm(hasShare: boolean): void {
    if (hasShare || this.projection.inLogOrder) this.confirmedMs = this.options.clock.nowMs();
  }

  private acquire(partitions: readonly number[]): Promise<Lease[]> {
    const { leases, holder } = this.options;
    return leases.acquire(this.projection.name, holder, partitions, leaseTtlMs);
  }

  private async leave(): Promise<void> {
    const { leases, holder, onError } = this.options;
    try {
      await leases.release(this.projection.name, holder, this.held);
      await leases.leave(this.projection.name, holder);
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
