import { blockRange, type ContainerLayout } from '#libs/assignment/container.js';
import type { Batch, BatchBoard } from '#libs/tree/batches.js';
import { BlockCutter } from './block-cutter.js';
import type { Appetite } from './range-source.js';

export interface StripeStreamOptions {
  readonly board: BatchBoard;
  readonly layout: ContainerLayout;
  readonly keep: (index: number, block: Uint8Array) => Promise<void>;
  /** A batch is no longer fetched, for whatever reason. */
  readonly putBack: (batch: Batch) => void;
  /** Resolves when the next batch may be read, as far as the link is concerned. */
  readonly turn: (bytes: number) => Promise<void>;
  /** Resolves when another batch came, or somebody gave one up. */
  readonly change: () => Promise<void>;
  /** Nothing more is wanted of any stripe. */
  readonly isOver: () => boolean;
}

/** Cuts what one source sends of a stripe into batches, and reads no more while others lag. */
export class StripeStream {
  private cutter: BlockCutter | undefined;
  private hasEnded = false;

  constructor(
    private batch: Batch,
    private readonly options: StripeStreamOptions,
  ) {
    this.cutter = this.cutterFor(batch);
  }

  /** @throws what a block was refused with */
  take(bytes: Uint8Array): Appetite | Promise<Appetite> {
    if (!this.cutter) return 'enough';
    const rest = this.cutter.take(bytes);
    return this.cutter.isFull ? this.goOn(rest) : 'more';
  }

  /** What is whole is kept. @throws what a block was refused with */
  async end(): Promise<void> {
    this.hasEnded = true;
    await this.endBatch();
  }

  private async goOn(rest: Uint8Array): Promise<Appetite> {
    await this.endBatch();
    const next = await this.following();
    if (!next) return 'enough';
    this.batch = next;
    this.cutter = this.cutterFor(next);
    return rest.length > 0 ? this.take(rest) : 'more';
  }

  private async endBatch(): Promise<void> {
    const { cutter, batch } = this;
    this.cutter = undefined;
    if (!cutter) return;
    try {
      await cutter.done();
    } finally {
      this.options.putBack(batch);
    }
  }

  private async following(): Promise<Batch | undefined> {
    const { board, layout, change, turn, putBack, isOver } = this.options;
    while (!this.hasEnded && !isOver()) {
      const next = board.takeAfter(this.batch);
      if (next === undefined) return undefined;
      if (next === 'later') {
        await change();
        continue;
      }
      await turn(batchBytes(layout, next));
      if (!this.hasEnded) return next;
      putBack(next);
    }
    return undefined;
  }

  private cutterFor({ firstBlock, endBlock }: Batch): BlockCutter {
    const { layout, keep } = this.options;
    return new BlockCutter(firstBlock, endBlock, (at) => blockRange(layout, at).length, keep);
  }
}

export function batchBytes(layout: ContainerLayout, { firstBlock, endBlock }: Batch): number {
  const last = blockRange(layout, endBlock - 1);
  return last.offset + last.length - blockRange(layout, firstBlock).offset;
}
