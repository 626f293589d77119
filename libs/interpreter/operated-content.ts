import type { PatchOperation } from '#libs/contracts/host.js';
import { newMemory } from '#libs/native/work-memory.js';
import { addBytes, Words } from './add-bytes.js';
import { BaseBlocks, type PatchBase } from './base-blocks.js';
import { type Stretches, stretchesOf } from './stretches.js';

const pieceBytes = 262_144;
/** Shorter stretches are gone through byte by byte: a view of them costs more. */
const fewBytes = 64;

/**
 * What operations make of a base and of the patch's bytes: copies and literals in turn, in pieces.
 * There may be an operation for each hundred bytes: only where bytes have run out is awaited, and
 * only whole pieces are yielded, each valid until the next is taken.
 * @param isDifference the bytes say for copied ones too what to add to each
 * @param bytes fewer than the operations want end the content early; the file's size tells then
 */
export async function* operatedContent(
  operations: readonly PatchOperation[],
  base: PatchBase,
  bytes: AsyncIterable<Uint8Array>,
  isDifference: boolean,
): AsyncGenerator<Uint8Array> {
  const source = new ByteSource(bytes);
  const stretches = stretchesOf(operations);
  const target = new Pieces(lengthOf(stretches));
  const blocks = new BaseBlocks(base, stretches);
  try {
    for (let at = 0; at < operations.length; at++) {
      const start = stretches.copyOffset[at] as number;
      const end = start + (stretches.copyLength[at] as number);
      for (let from = start; from < end; ) {
        if (isDifference && source.length === 0 && !(await source.more())) return;
        blocks.seek(from);
        const most = isDifference ? Math.min(target.room, source.length) : target.room;
        const count = Math.min(end - from, blocks.length, most);
        target.put(blocks.bytes, blocks.at, count);
        if (isDifference) target.change(source, count);
        from += count;
        if (target.room === 0) yield target.next();
      }
      for (let left = stretches.literalLength[at] as number; left > 0; ) {
        if (source.length === 0 && !(await source.more())) return;
        const count = Math.min(left, target.room, source.length);
        target.put(source.bytes, source.at, count);
        source.at += count;
        left -= count;
        if (target.room === 0) yield target.next();
      }
    }
  } finally {
    await source.close();
  }
}

function lengthOf({ copyLength, literalLength }: Stretches): number {
  let length = 0;
  for (const bytes of copyLength) length += bytes;
  for (const bytes of literalLength) length += bytes;
  return length;
}

/** Collects small stretches into pieces that are worth a write; the last is full as well. */
class Pieces {
  private piece: Uint8Array;
  private readonly words: Words;
  private filled = 0;

  /** @param left bytes that are still to come */
  constructor(private left: number) {
    this.piece = newMemory(Math.min(pieceBytes, left));
    this.words = new Words(this.piece);
  }

  get room(): number {
    return this.piece.length - this.filled;
  }

  put(bytes: Uint8Array, from: number, count: number): void {
    const { piece, filled } = this;
    // A view costs more than a few bytes.
    if (count < fewBytes)
      for (let i = 0; i < count; i++) piece[filled + i] = bytes[from + i] as number;
    else piece.set(bytes.subarray(from, from + count), filled);
    this.filled += count;
  }

  /** Adds the next `count` bytes of a difference to those that were put last. */
  change(source: ByteSource, count: number): void {
    addBytes(this.words, this.filled - count, source.words, source.at, count);
    source.at += count;
  }

  /** The full piece, valid until more is put: new memory for each costs more than its bytes. */
  next(): Uint8Array {
    const { piece } = this;
    this.left -= piece.length;
    if (this.left < piece.length) this.piece = piece.subarray(0, this.left);
    this.filled = 0;
    return piece;
  }
}

/** Bytes that come in pieces of any size: what is left of one is `bytes` from `at`. */
class ByteSource {
  private readonly pieces: AsyncIterator<Uint8Array>;
  words = new Words(new Uint8Array());
  at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.pieces = source[Symbol.asyncIterator]();
  }

  get bytes(): Uint8Array {
    return this.words.bytes;
  }

  get length(): number {
    return this.bytes.length - this.at;
  }

  /** False at the end. */
  async more(): Promise<boolean> {
    while (this.length === 0) {
      const next = await this.pieces.next();
      if (next.done) return false;
      this.words = new Words(next.value);
      this.at = 0;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.pieces.return?.();
  }
}
