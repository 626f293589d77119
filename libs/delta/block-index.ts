import type { TakeMemory } from '#libs/native/work-memory.js';

/** Length of the blocks that are looked up. */
export const blockBytes = 16;

const multiplier = 0x01000193;
const none = -1;

/** Finds where a block of 16 bytes was seen: knows every block of `bytes` at a multiple of 16. */
export class BlockIndex {
  private readonly places: Int32Array;
  private readonly mask: number;
  /** The rolling hash of the block of `hashed` that starts at `hashedAt`. */
  private hash = 0;
  private hashedAt = none;
  private readonly leaving: number;

  /** @param take gives the memory of the table */
  constructor(
    private readonly bytes: Uint8Array,
    take: TakeMemory,
  ) {
    const blocks = Math.floor(bytes.length / blockBytes);
    const slots = 2 ** Math.ceil(Math.log2(Math.max(1024, blocks * 1.5)));
    const { buffer, byteOffset } = take(slots * Int32Array.BYTES_PER_ELEMENT);
    this.places = new Int32Array(buffer, byteOffset, slots).fill(none);
    this.mask = slots - 1;
    let power = 1;
    for (let byte = 1; byte < blockBytes; byte++) power = Math.imul(power, multiplier);
    this.leaving = power;
  }

  /** Learns the blocks that start from `from` to before `to`, both multiples of 16. */
  learn(from: number, to: number): void {
    const end = Math.min(to, this.bytes.length - blockBytes + 1);
    for (let at = from; at < end; at += blockBytes) {
      const slot = this.slotOf(hashOf(this.bytes, at));
      if (this.places[slot] === none) this.places[slot] = at;
    }
  }

  /**
   * A place of `bytes` whose block may be the one of `other` at `at`, or -1. Cheap where `at` is
   * one more than at the call before.
   */
  find(other: Uint8Array, at: number): number {
    if (at === this.hashedAt + 1 && this.hashedAt !== none) {
      const without = this.hash - Math.imul(other[at - 1] as number, this.leaving);
      this.hash = (Math.imul(without, multiplier) + (other[at + blockBytes - 1] as number)) | 0;
    } else {
      this.hash = hashOf(other, at);
    }
    this.hashedAt = at;
    return this.places[this.slotOf(this.hash)] as number;
  }

  private slotOf(hash: number): number {
    const mixed = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    return (mixed ^ (mixed >>> 13)) & this.mask;
  }
}

function hashOf(bytes: Uint8Array, at: number): number {
  let hash = 0;
  for (let byte = at; byte < at + blockBytes; byte++) {
    hash = (Math.imul(hash, multiplier) + (bytes[byte] as number)) | 0;
  }
  return hash;
}
