/** What came last stays in memory, for those who pull it from here: 4 MiB. */
const keptBlocks = 64;
/** More than this is not taken before some of it is written: 4 MiB. */
const mostUnwritten = 64;
/** What one write takes at most. */
const mostPerWrite = 16;

/** Blocks between the network and the disk; neighbours are written together. */
export class RecentBlocks {
  private readonly blocks = new Map<number, Uint8Array>();
  private readonly unwritten = new Set<number>();
  private writing: Promise<void> = Promise.resolve();
  private isWriting = false;
  private failure: { readonly error: unknown } | undefined;

  constructor(private readonly write: (blocks: Uint8Array[], first: number) => Promise<void>) {}

  get(index: number): Uint8Array | undefined {
    return this.blocks.get(index);
  }

  /** Resolves when there is room for more. @throws what writing threw */
  async add(index: number, bytes: Uint8Array): Promise<void> {
    if (this.failure) throw this.failure.error;
    this.blocks.set(index, bytes);
    this.unwritten.add(index);
    this.begin();
    if (this.unwritten.size > mostUnwritten) await this.written();
  }

  /** @throws what writing threw */
  async written(): Promise<void> {
    await this.writing;
    if (this.failure) throw this.failure.error;
  }

  private begin(): void {
    if (this.isWriting) return;
    this.isWriting = true;
    this.writing = this.writeAll().catch((error: unknown) => {
      this.failure = { error };
    });
  }

  private async writeAll(): Promise<void> {
    for (const first of this.unwritten) {
      const run: Uint8Array[] = [];
      for (let index = first; run.length < mostPerWrite && this.unwritten.has(index); index++) {
        run.push(this.blocks.get(index) as Uint8Array);
      }
      await this.write(run, first);
      for (let at = 0; at < run.length; at++) this.unwritten.delete(first + at);
      this.forget();
    }
    this.isWriting = false;
  }

  /** The oldest that are written. */
  private forget(): void {
    for (const index of this.blocks.keys()) {
      if (this.blocks.size <= keptBlocks) return;
      if (!this.unwritten.has(index)) this.blocks.delete(index);
    }
  }
}
