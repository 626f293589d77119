/**
 * Cuts a stream of bytes into blocks, and keeps each as soon as it is whole while the next one
 * comes. As many blocks wait to be kept as one request brings at most.
 */
export class BlockCutter {
  private readonly keeping: Promise<void>[] = [];
  private block: Buffer;
  private filled = 0;
  private failure: { readonly error: unknown } | undefined;

  constructor(
    private index: number,
    private readonly endIndex: number,
    private readonly lengthOf: (index: number) => number,
    private readonly keep: (index: number, block: Uint8Array) => Promise<void>,
  ) {
    this.block = Buffer.allocUnsafe(lengthOf(index));
  }

  get isFull(): boolean {
    return this.index === this.endIndex;
  }

  /**
   * @returns what is left of the bytes when all blocks are whole
   * @throws what an earlier block was refused with
   */
  take(bytes: Uint8Array): Uint8Array {
    if (this.failure) throw this.failure.error;
    let at = 0;
    while (at < bytes.length && !this.isFull) {
      const part = bytes.subarray(at, at + this.block.length - this.filled);
      this.block.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === this.block.length) this.next();
    }
    return bytes.subarray(at);
  }

  /** Resolves when all whole blocks are kept. @throws what a block was refused with */
  async done(): Promise<void> {
    await Promise.all(this.keeping);
    if (this.failure) throw this.failure.error;
  }

  private next(): void {
    const kept = this.keep(this.index, this.block).catch((error: unknown) => {
      this.failure ??= { error };
    });
    this.keeping.push(kept);
    this.index++;
    this.filled = 0;
    if (this.index < this.endIndex) this.block = Buffer.allocUnsafe(this.lengthOf(this.index));
  }
}
