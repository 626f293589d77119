/** What one request asks for at most, in blocks. */
const mostBlocks = 16;
/** A stripe of fewer batches would be short of requests to keep under way. */
const fewestBatches = 8;

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
  readonly firstBlock: number;
  readonly endBlock: number;
}

/**
 * Which batches are still wanted, and who fetches which. A batch is fetched by one at a time; one
 * that was put back is taken again first.
 */
export class BatchBoard {
  private readonly wanted: Batch[][];

  constructor(
    blockCount: number,
    private readonly stripeCount: number,
    hasBlock: (index: number) => boolean,
  ) {
    const size = blocksPerBatch(blockCount, stripeCount);
    this.wanted = Array.from({ length: stripeCount }, () => []);
    for (let index = 0; index * size < blockCount; index++) {
      const endBlock = Math.min(blockCount, (index + 1) * size);
      let firstBlock = index * size;
      while (firstBlock < endBlock && hasBlock(firstBlock)) firstBlock++;
      if (firstBlock < endBlock) {
        this.wanted[index % stripeCount]?.push({ index, firstBlock, endBlock });
      }
    }
    for (const batches of this.wanted) batches.reverse();
  }

  /** The next batch of a stripe. */
  take(stripe: number): Batch | undefined {
    return this.wanted[stripe]?.pop();
  }

  /** A batch of the stripe that most is left of: for whoever has nothing else to do. */
  takeAny(): Batch | undefined {
    const longest = [...this.wanted].sort((a, b) => b.length - a.length)[0];
    return longest?.pop();
  }

  /** A batch was not fetched, or only up to a block. */
  putBack(batch: Batch, firstBlock = batch.firstBlock): void {
    if (firstBlock >= batch.endBlock) return;
    this.wanted[batch.index % this.stripeCount]?.push({ ...batch, firstBlock });
  }
}
