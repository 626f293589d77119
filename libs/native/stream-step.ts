/** One chunk on its way through a stream: a step consumes some of it and fills the output anew. */
export class StreamStep {
  private readonly writtenCell = new BigUint64Array(1);
  private readonly consumedCell = new BigUint64Array(1);

  constructor(
    private readonly chunk: Uint8Array,
    /** Of the whole stream: fresh memory for each step costs more than the copies of it. */
    private readonly out: Uint8Array,
  ) {}

  get isConsumed(): boolean {
    return Number(this.consumedCell[0]) === this.chunk.length;
  }

  get isFull(): boolean {
    return this.written === this.out.length;
  }

  get written(): number {
    return Number(this.writtenCell[0]);
  }

  args(context: unknown): unknown[] {
    this.writtenCell[0] = 0n;
    const output = [this.out, this.out.length, this.writtenCell];
    return [context, ...output, this.chunk, this.chunk.length, this.consumedCell];
  }

  output(): Uint8Array {
    return this.out.slice(0, this.written);
  }

  /** Valid until the next step. */
  outputForNow(): Uint8Array {
    return this.out.subarray(0, this.written);
  }
}
