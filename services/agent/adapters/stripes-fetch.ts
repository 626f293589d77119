import { blockBytes, blockRange, type ContainerLayout } from '#libs/assignment/container.js';
import type { Clock } from '#libs/clock/clock.js';
import { stridedBytes } from '#libs/content-store/http-stride.js';
import { type Batch, BatchBoard } from '#libs/tree/batches.js';
import { WrongBytes } from './arriving-container.js';
import { BlockCutter } from './block-cutter.js';
import type { Patience } from './pull-request.js';
import { NoStrides, type RangeRequest, SourceFailed } from './range-source.js';
import type { SourceList } from './source-list.js';
import { batchBytes, StripeStream } from './stripe-stream.js';

/** What the stripes need of the pull that they are of. */
export interface BlockPull {
  readonly layout: ContainerLayout;
  readonly clock: Clock;
  hasBlock(index: number): boolean;
  /** @throws WrongBytes, SpoolFailed */
  keep(index: number, block: Uint8Array): Promise<void>;
  /** Resolves when the own link may take so much. */
  turn(bytes: number): Promise<void>;
  /** @throws SourceFailed, and what `take` throws */
  fetch(what: FetchedRange, take: RangeRequest['onBytes']): Promise<void>;
  /** One try with the best source; its failure is noted, not thrown. @throws SourcesExhausted */
  attempt(
    sources: SourceList,
    fetch: (url: string, patience: Patience) => Promise<void>,
  ): Promise<void>;
  /** A source sent wrong bytes: it is not asked again. */
  blame(url: string): void;
}

export type FetchedRange = Patience & Pick<RangeRequest, 'url' | 'offset' | 'length' | 'stride'>;

/** Of one source two streams: a lost packet does not stop all. */
const streamsOfOne = 2;
/** How long a stream is held up by slower ones before its source helps them. */
const helpAfterMs = 1_000;
/** A source that has not got what it was asked for is not asked at once again. */
const askAgainMs = 100;
/** For 64 KiB. */
const helperStallMs = 10_000;

/** What a stripe's stream waits for. */
interface Rest {
  readonly sinceMs: number;
  /** Nothing of its own is left. */
  readonly isIdle: boolean;
}

/**
 * Brings the blocks of a container: each stripe as one long answer of its source, for requests that
 * follow each other share an uplink badly. What the answer has of a stripe is cut into batches.
 */
export class StripesFetch {
  private readonly board: BatchBoard;
  private readonly stripes: readonly SourceList[];
  /** Stripe -> what it waits for now. */
  private readonly resting = new Map<number, Rest>();
  /** Sources that only know ranges. */
  private readonly plain = new Set<string>();
  private readonly waiting = new Set<() => void>();
  /** What ends the pull: everything stops before it is thrown. */
  private failure: { readonly error: unknown } | undefined;

  constructor(
    private readonly pull: BlockPull,
    sources: readonly SourceList[],
  ) {
    const [only] = sources;
    this.stripes = sources.length === 1 && only ? Array(streamsOfOne).fill(only) : sources;
    const { blockCount } = pull.layout;
    this.board = new BatchBoard(blockCount, this.stripes.length, (at) => pull.hasBlock(at));
  }

  /** @throws SourcesExhausted, SpoolFailed, AssignmentRefused */
  async run(): Promise<void> {
    const streams = this.stripes.map((sources, stripe) => this.streams(sources, stripe));
    const isOfSeveral = new Set(this.stripes).size > 1;
    const helpers = isOfSeveral ? this.stripes.map((own, stripe) => this.helps(own, stripe)) : [];
    await Promise.all([...streams, ...helpers]);
    if (this.failure) throw this.failure.error;
  }

  private get isOver(): boolean {
    return this.board.isDone || this.failure !== undefined;
  }

  private async streams(sources: SourceList, stripe: number): Promise<void> {
    while (!this.isOver) {
      const first = this.board.take(stripe);
      if (!first) {
        this.rests(stripe, true);
        await this.change();
        continue;
      }
      this.resting.delete(stripe);
      await this.noteFailure(
        this.pull.attempt(sources, (url, patience) =>
          this.board.isWhole(first) && !this.plain.has(url)
            ? this.stream(stripe, first, url, patience)
            : this.fetchBatch(first, url, patience),
        ),
      );
    }
  }

  /** A stripe from a batch on, until there is one that is here or that somebody else fetches. */
  private async stream(
    stripe: number,
    first: Batch,
    url: string,
    patience: Patience,
  ): Promise<void> {
    const { board, pull, stripes } = this;
    const { layout } = pull;
    const takeBytes = board.batchBlocks * blockBytes;
    const offset = blockRange(layout, first.firstBlock).offset;
    const stride = { fromByte: offset, takeBytes, everyBytes: takeBytes * stripes.length };
    const length = stridedBytes(stride, layout.containerBytes);
    const stream = new StripeStream(first, {
      board,
      layout,
      keep: (index, block) => {
        this.resting.delete(stripe);
        return pull.keep(index, block);
      },
      turn: (bytes) => pull.turn(bytes),
      putBack: (batch) => this.putBack(batch),
      change: () => {
        this.rests(stripe, false);
        return this.change();
      },
      isOver: () => this.isOver,
    });
    try {
      await pull.turn(batchBytes(layout, first));
      await pull.fetch({ url, offset, length, stride, ...patience }, (bytes) => stream.take(bytes));
    } catch (error) {
      if (!(error instanceof NoStrides)) throw error;
      this.plain.add(url);
    } finally {
      await stream.end();
    }
  }

  /** Has a source that has nothing else to send bring what another is slow to send. */
  private async helps(sources: SourceList, stripe: number): Promise<void> {
    while (!this.isOver) {
      const helper = this.mayHelp(stripe) ? sources.helper() : undefined;
      const batch = helper === undefined ? undefined : this.board.takeLast();
      if (helper === undefined || !batch) {
        await this.change(askAgainMs);
        continue;
      }
      const hasIt = await this.noteFailure(this.help(helper, batch));
      if (!hasIt) await this.change(askAgainMs);
    }
  }

  private mayHelp(stripe: number): boolean {
    const rest = this.resting.get(stripe);
    if (!rest) return false;
    return rest.isIdle || this.pull.clock.nowMs() - rest.sinceMs >= helpAfterMs;
  }

  /** @returns whether the source had it */
  private async help(url: string, batch: Batch): Promise<boolean> {
    try {
      await this.fetchBatch(batch, url, { waitMs: 0, stallMs: helperStallMs });
      return true;
    } catch (error) {
      if (error instanceof WrongBytes) this.pull.blame(url);
      else if (!(error instanceof SourceFailed)) throw error;
      return false;
    }
  }

  private async fetchBatch(batch: Batch, url: string, patience: Patience): Promise<void> {
    const { pull } = this;
    const { layout } = pull;
    const cutter = new BlockCutter(
      batch.firstBlock,
      batch.endBlock,
      (index) => blockRange(layout, index).length,
      (index, block) => pull.keep(index, block),
    );
    const { offset } = blockRange(layout, batch.firstBlock);
    const length = batchBytes(layout, batch);
    try {
      await pull.turn(length);
      await pull.fetch({ url, offset, length, ...patience }, (bytes) => {
        cutter.take(bytes);
        return 'more';
      });
    } finally {
      await cutter.done().finally(() => this.putBack(batch));
    }
  }

  private async noteFailure<Result>(work: Promise<Result>): Promise<Result | undefined> {
    try {
      return await work;
    } catch (error) {
      this.failure ??= { error };
      this.wakeAll();
      return undefined;
    }
  }

  private putBack(batch: Batch): void {
    let next = batch.firstBlock;
    while (next < batch.endBlock && this.pull.hasBlock(next)) next++;
    this.board.putBack(batch, next);
    this.wakeAll();
  }

  private wakeAll(): void {
    for (const wake of [...this.waiting]) wake();
  }

  /** Until its next block comes. */
  private rests(stripe: number, isIdle: boolean): void {
    const { sinceMs = this.pull.clock.nowMs() } = this.resting.get(stripe) ?? {};
    this.resting.set(stripe, { sinceMs, isIdle });
  }

  /** A batch came, or somebody gave one up, or the time is over. */
  private change(atMostMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        cancel?.();
        this.waiting.delete(wake);
        resolve();
      };
      const cancel = atMostMs === undefined ? undefined : this.pull.clock.schedule(atMostMs, wake);
      this.waiting.add(wake);
    });
  }
}
