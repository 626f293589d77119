import type { PatchOperation } from '#libs/contracts/host.js';
import { newMemory } from '#libs/native/work-memory.js';

const blockBytes = 262_144;
/** Blocks that are kept; operations go through a base mostly from its beginning to its end. */
const keptBlocks = 64;
/** Bases up to this size are read whole when operations jump about in them. */
const wholeBaseBytes = 64 * 1024 ** 2;
/** More reads of a base than this, all together, are worse than all of it in memory. */
const mostReads = 1.5;

/** The base file of a patch. */
export interface PatchBase {
  readonly sizeBytes: number;
  all(): Uint8Array;
  /** Fills `target` with what is at `offset`. */
  readInto(offset: number, target: Uint8Array): void;
}

/** A base that is read where operations want it, as a rule in memory that does not grow with it. */
export class BaseBlocks {
  private readonly blocks: (Uint8Array | undefined)[] = [];
  private readonly held = new KeptBlocks();
  private readonly whole: Uint8Array | undefined;

  constructor(
    private readonly base: PatchBase,
    operations: readonly PatchOperation[],
  ) {
    const isSmall = base.sizeBytes <= wholeBaseBytes;
    if (isSmall && readsOf(operations) * blockBytes > mostReads * base.sizeBytes) {
      this.whole = base.all();
    }
  }

  /** What follows `at`, one byte at least and not beyond `end`; valid until more is asked for. */
  piece(at: number, end: number): Uint8Array {
    if (this.whole) return this.whole.subarray(at, end);
    const index = Math.floor(at / blockBytes);
    const block = this.block(index);
    const start = index * blockBytes;
    return block.subarray(at - start, Math.min(end - start, block.length));
  }

  private block(index: number): Uint8Array {
    const slot = index % keptBlocks;
    const known = this.blocks[slot];
    if (!this.held.take(index) && known) return known;
    const start = index * blockBytes;
    const length = Math.min(blockBytes, this.base.sizeBytes - start);
    const block = known?.length === length ? known : newMemory(length);
    this.base.readInto(start, block);
    this.blocks[slot] = block;
    return block;
  }
}

/** Which block is kept in which slot. */
class KeptBlocks {
  private readonly held = new Int32Array(keptBlocks).fill(-1);

  /** Whether the block must be read. */
  take(index: number): boolean {
    const slot = index % keptBlocks;
    if (this.held[slot] === index) return false;
    this.held[slot] = index;
    return true;
  }
}

/** How many blocks will be read. */
function readsOf(operations: readonly PatchOperation[]): number {
  const held = new KeptBlocks();
  let reads = 0;
  for (const { copyOffset, copyLength } of operations) {
    const offset = Number(copyOffset);
    const end = offset + Number(copyLength);
    for (let at = Math.floor(offset / blockBytes); at * blockBytes < end; at++) {
      if (held.take(at)) reads++;
    }
  }
  return reads;
}
