import { newMemory } from '#libs/native/work-memory.js';
import type { Stretches } from './stretches.js';

const blockBytes = 262_144;
/** Blocks that are kept where operations jump about in the base. */
const mostBlocks = 64;
/** Where they go from its beginning to its end: memory that stays in the processor's cache. */
const fewBlocks = 4;
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
  private readonly blocks: Uint8Array[] = [];
  private readonly held: KeptBlocks;
  private readonly isWhole: boolean;
  private current = -1;
  private start = 0;
  /** Of the base, with what was sought at `at`; valid until more is sought. */
  bytes: Uint8Array = new Uint8Array();
  at = 0;

  constructor(
    private readonly base: PatchBase,
    stretches: Stretches,
  ) {
    const reads = readsOf(stretches, mostBlocks);
    const isSmall = base.sizeBytes <= wholeBaseBytes;
    this.isWhole = isSmall && reads * blockBytes > mostReads * base.sizeBytes;
    if (this.isWhole) this.bytes = base.all();
    const isStraight = readsOf(stretches, fewBlocks) === reads;
    this.held = new KeptBlocks(isStraight ? fewBlocks : mostBlocks);
  }

  /** How much of the block follows what was sought, one byte at least. */
  get length(): number {
    return this.bytes.length - this.at;
  }

  seek(at: number): void {
    const index = Math.floor(at / blockBytes);
    if (!this.isWhole && index !== this.current) {
      this.bytes = this.block(index);
      this.current = index;
      this.start = index * blockBytes;
    }
    this.at = at - this.start;
  }

  private block(index: number): Uint8Array {
    const slot = this.held.slotOf(index);
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
  private readonly held: Int32Array;

  constructor(private readonly slots: number) {
    this.held = new Int32Array(slots).fill(-1);
  }

  slotOf(index: number): number {
    return index % this.slots;
  }

  /** Whether the block must be read. */
  take(index: number): boolean {
    const slot = this.slotOf(index);
    if (this.held[slot] === index) return false;
    this.held[slot] = index;
    return true;
  }
}

/** How many blocks will be read where so many are kept. */
function readsOf({ copyOffset, copyLength }: Stretches, slots: number): number {
  const held = new KeptBlocks(slots);
  let reads = 0;
  for (let operation = 0; operation < copyOffset.length; operation++) {
    const offset = copyOffset[operation] as number;
    const end = offset + (copyLength[operation] as number);
    for (let at = Math.floor(offset / blockBytes); at * blockBytes < end; at++) {
      if (held.take(at)) reads++;
    }
  }
  return reads;
}
