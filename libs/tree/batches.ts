/** What one request asks for at most, in blocks. */
const mostBlocks = 4;
/** A stripe of fewer batches would be short of requests to keep under way. */
const fewestBatches = 32;
/** How far, in batches of each stripe, requests may be ahead of the first batch that lacks. */
const batchesAhead = 8;

/**
 * How many blocks make a batch. Depends on nothing else: leaders of one plan must agree which batch
 * is of which stripe.
 */
export function blocksPerBatch(blockCount: number, stripeCount: number): number {
  const fitting = Math.floor(blockCount / (stripeCount * fewestBatches));
  return Math.min(mostBlocks, Math.max(1, fitting));
}

/** One batch: consecutive blocks, the last one excluded. */
export interface Batch {
  readonly index: number;
  readonly stripe: number;
  readonly firstBlock: number;
  readonly endBlock: number;
}

/**
 * Which batches are still wanted, and who fetches which. A batch is fetched by one at a time. No
 * stripe runs far ahead of the others: connections share a link unevenly, and what a fast stripe
 * would take from it is what the slowest one lacks in the end.
 */
export class BatchBoard {
  /** By index; `undefined`: it is here. */
  private readonly batches: (Batch | undefined)[] = [];
  private readonly taken = new Set<number>();
  /** What a whole batch has, but for the last one. */
  readonly batchBlocks: number;
  private readonly ahead: number;
  /** No batch before it is missing. */
  private firstMissing = 0;

  constructor(
    blockCount: number,
    private readonly stripeCount: number,
    hasBlock: (index: number) => boolean,
  ) {
    const size = blocksPerBatch(blockCount, stripeCount);
    this.batchBlocks = size;
    this.ahead = batchesAhead * stripeCount;
    for (let index = 0; index * size < blockCount; index++) {
      const endBlock = Math.min(blockCount, (index + 1) * size);
      let firstBlock = index * size;
      while (firstBlock < endBlock && hasBlock(firstBlock)) firstBlock++;
      const stripe = index % stripeCount;
      const isHere = firstBlock === endBlock;
      this.batches.push(isHere ? undefined : { index, stripe, firstBlock, endBlock });
    }
    this.advance();
  }

  get isDone(): boolean {
    return this.firstMissing === this.batches.length;
  }

  /** The next batch of a stripe; none while it is far ahead of the others. */
  take(stripe: number): Batch | undefined {
    const batch = this.free(stripe);
    if (batch) this.taken.add(batch.index);
    return batch;
  }

  /**
   * The batch that follows in its stripe, for who reads on after this one; `later` while it is far
   * ahead of the other stripes, none where it is here, if only in part, or another fetches it, or
   * one before it was given up.
   */
  takeAfter({ index: before }: Batch): Batch | 'later' | undefined {
    const index = before + this.stripeCount;
    const batch = this.batches[index];
    if (!batch || this.taken.has(index) || !this.isWhole(batch)) return undefined;
    const first = this.free(index % this.stripeCount);
    if (!first) return 'later';
    if (first.index !== index) return undefined;
    this.taken.add(index);
    return batch;
  }

  /** Nothing of it is here. */
  isWhole({ index, firstBlock }: Batch): boolean {
    return firstBlock === index * this.batchBlocks;
  }

  /** The last batch within reach that nobody fetches: the one that is needed latest. */
  takeLast(): Batch | undefined {
    for (let index = this.endOfReach() - 1; index >= this.firstMissing; index--) {
      const batch = this.batches[index];
      if (!batch || this.taken.has(index)) continue;
      this.taken.add(index);
      return batch;
    }
    return undefined;
  }

  /** A batch was not fetched, or only up to a block. */
  putBack(batch: Batch, firstBlock = batch.firstBlock): void {
    this.taken.delete(batch.index);
    const isHere = firstBlock >= batch.endBlock;
    this.batches[batch.index] = isHere ? undefined : { ...batch, firstBlock };
    this.advance();
  }

  /** The first of a stripe that nobody fetches. */
  private free(stripe: number): Batch | undefined {
    const { firstMissing, stripeCount } = this;
    const offset = (stripe - (firstMissing % stripeCount) + stripeCount) % stripeCount;
    for (let index = firstMissing + offset; index < this.endOfReach(); index += stripeCount) {
      const batch = this.batches[index];
      if (batch && !this.taken.has(index)) return batch;
    }
    return undefined;
  }

  private endOfReach(): number {
    return Math.min(this.batches.length, this.firstMissing + this.ahead);
  }

  private advance(): void {
    const { batches } = this;
    while (this.firstMissing < batches.length && !batches[this.firstMissing]) this.firstMissing++;
  }
}
