import { JetStreamApiError, type JetStreamManager, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { type Cancel, type Clock, scheduleTogether } from '#libs/clock/clock.js';
import {
  isStreamMissing,
  laneStream,
  renewLaneStream,
} from '#libs/event-log/adapters/jetstream/streams.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { beat, emptyTable, farewell, type LaneTable } from './lane-table.js';

const beatEveryMs = 1_200;
const beatAgainAfterMs = 40;
/** Who is silent for so long is dead to the others. */
export const laneTtlMs = 3_000;
/** A holder that could not say that it lives stops before the others may take its lanes. */
const stopAfterMs = 2_500;
const requestTimeoutMs = 1_500;

export interface LaneOptions {
  readonly nats: NatsConnection;
  readonly manager: JetStreamManager;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly service: string;
  /** Unique per process. */
  readonly replica: string;
  readonly lanes: number;
  /** Begins to read a lane. */
  start(lane: number): Promise<void>;
  /** Ends reading a lane, when what is under way is finished. */
  stop(lane: number): Promise<void>;
}

interface StoredTable {
  readonly table: LaneTable;
  /** Of its message; the fencing token of what the table says. */
  readonly sequence: number;
}

/** Keeps a replica's share of the lanes of its service, by beats in the table of lanes. */
export class LaneHolder {
  private readonly running = new Set<number>();
  private readonly ending = new Set<number>();
  private readonly finished = new Set<number>();
  private readonly moving = new Map<number, Promise<void>>();
  /** When each replica was last seen to beat, by this replica's clock: clocks may differ. */
  private readonly seen = new Map<string, { beats: number; atMs: number }>();
  /** The table as this replica wrote it last; while it is still the newest no read is needed. */
  private written: StoredTable | undefined;
  private confirmedMs: number;
  /** When this replica last knew what the table says. */
  private lookedMs: number;
  private cancel: Cancel = () => undefined;
  private isStopped = false;
  private beating: Promise<void> = Promise.resolve();

  constructor(private readonly options: LaneOptions) {
    this.confirmedMs = options.clock.nowMs();
    this.lookedMs = this.confirmedMs;
  }

  get subject(): string {
    return `lanes.${this.options.service}`;
  }

  /** The lanes that are read here now. */
  get lanes(): readonly number[] {
    return [...this.running].sort((a, b) => a - b);
  }

  async start(): Promise<void> {
    await this.beat();
  }

  /** Why the replica's share is not read; undefined when it is. */
  problem(): string | undefined {
    const silentMs = this.options.clock.nowMs() - this.confirmedMs;
    return silentMs > stopAfterMs ? 'its partitions: the lease could not be renewed' : undefined;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.cancel();
    await this.beating;
    await Promise.all([...this.running].map((lane) => this.end(lane)));
    if (this.options.nats.isClosed()) return;
    await this.sayFarewell().catch((error) => {
      this.options.logger.info('left without a word', { reason: reasonOf(error) });
    });
  }

  private beat(): Promise<void> {
    this.beating = this.beatOnce().then((pauseMs) => {
      if (this.isStopped) return;
      const { clock } = this.options;
      const beat = () => void this.beat();
      const isRegular = pauseMs === beatEveryMs;
      this.cancel = isRegular
        ? scheduleTogether(clock, pauseMs, beat)
        : clock.schedule(pauseMs, beat);
    });
    return this.beating;
  }

  /** @returns when to beat next */
  private async beatOnce(): Promise<number> {
    const { clock, replica, logger } = this.options;
    const startedMs = clock.nowMs();
    try {
      const stored = this.written ?? (await this.read());
      // What the others said while it could not look is not known: they may not have been heard.
      if (startedMs - this.lookedMs > stopAfterMs) this.seen.clear();
      const { table, own, surplus } = beat(
        stored.table,
        replica,
        this.dead(stored.table),
        this.finished,
      );
      this.written = undefined;
      const sequence = await this.write(table, stored.sequence);
      this.lookedMs = startedMs;
      if (sequence === undefined) return beatAgainAfterMs;
      this.written = { table, sequence };
      this.confirmedMs = startedMs;
      this.follow(own, surplus);
      return surplus.length > 0 ? beatAgainAfterMs * 5 : beatEveryMs;
    } catch (error) {
      logger.debug('beat failed', { reason: reasonOf(error) });
      if (clock.nowMs() - this.confirmedMs > stopAfterMs) this.follow([], []);
      if (isStreamMissing(error)) return this.renew();
      return beatEveryMs;
    }
  }

  /** @returns when to beat next */
  private async renew(): Promise<number> {
    try {
      await renewLaneStream(this.options.manager);
      return beatAgainAfterMs;
    } catch (error) {
      this.options.logger.debug('lanes not made again', { reason: reasonOf(error) });
      return beatEveryMs;
    }
  }

  /** Reads what is owned and not to be given back. */
  private follow(own: readonly number[], surplus: readonly number[]): void {
    const wanted = new Set(own.filter((lane) => !surplus.includes(lane)));
    for (const lane of this.finished) if (!surplus.includes(lane)) this.finished.delete(lane);
    for (const lane of this.running) if (!wanted.has(lane)) void this.end(lane);
    for (const lane of surplus) if (!this.running.has(lane)) this.finished.add(lane);
    for (const lane of wanted) if (!this.running.has(lane)) void this.begin(lane);
  }

  private begin(lane: number): Promise<void> {
    this.running.add(lane);
    return this.inTurn(lane, () => this.options.start(lane));
  }

  private async end(lane: number): Promise<void> {
    if (this.ending.has(lane)) return this.moving.get(lane);
    this.ending.add(lane);
    await this.inTurn(lane, () => this.options.stop(lane));
    this.running.delete(lane);
    this.ending.delete(lane);
  }

  /** A lane's starts and stops one after the other. */
  private inTurn(lane: number, work: () => Promise<void>): Promise<void> {
    const before = this.moving.get(lane) ?? Promise.resolve();
    const done = before.then(work).catch((error) => {
      this.options.logger.warn('lane not moved', { lane, reason: reasonOf(error) });
      this.running.delete(lane);
    });
    this.moving.set(lane, done);
    return done;
  }

  private dead(table: LaneTable): ReadonlySet<string> {
    const nowMs = this.options.clock.nowMs();
    const dead = new Set<string>();
    for (const [name, beats] of Object.entries(table.beats)) {
      const last = this.seen.get(name);
      if (last?.beats !== beats) this.seen.set(name, { beats, atMs: nowMs });
      else if (nowMs - last.atMs > laneTtlMs) dead.add(name);
    }
    return dead;
  }

  private async read(): Promise<StoredTable> {
    const { manager, lanes } = this.options;
    const stored = await manager.streams.getMessage(laneStream, { last_by_subj: this.subject });
    if (!stored) return { table: emptyTable(lanes), sequence: 0 };
    const table = stored.json<LaneTable>();
    const isOther = table.holders.length !== lanes;
    return { table: isOther ? emptyTable(lanes) : table, sequence: stored.seq };
  }

  /** @returns the table's sequence; undefined when another replica was quicker */
  private async write(table: LaneTable, lastSubjectSequence: number): Promise<number | undefined> {
    try {
      const { seq } = await jetstream(this.options.nats).publish(
        this.subject,
        JSON.stringify(table),
        { expect: { lastSubjectSequence }, timeout: requestTimeoutMs, retries: 1 },
      );
      return seq;
    } catch (error) {
      if (error instanceof JetStreamApiError && conflicts.has(error.code)) return undefined;
      throw error;
    }
  }

  private async sayFarewell(): Promise<void> {
    for (let attempt = 0; attempt < 5; attempt++) {
      const { table, sequence } = await this.read();
      const left = farewell(table, this.options.replica);
      if ((await this.write(left, sequence)) !== undefined) return;
    }
  }
}

const conflicts = new Set([10071, 10164]);
