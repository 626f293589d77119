import type { PatchOperation } from '#libs/contracts/host.js';
import { BaseBlocks, type PatchBase } from './base-blocks.js';

const pieceBytes = 262_144;
/** Shorter stretches are gone through byte by byte: a view of them costs more. */
const fewBytes = 64;
const wordsAtOnce = 4;

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
  const target = new Pieces(lengthOf(operations));
  const blocks = new BaseBlocks(base, operations);
  try {
    for (const { copyOffset, copyLength, literalLength } of operations) {
      const end = Number(copyOffset) + Number(copyLength);
      for (let from = Number(copyOffset); from < end; ) {
        if (isDifference && source.length === 0 && !(await source.more())) return;
        const copied = blocks.piece(from, end);
        const most = isDifference ? Math.min(target.room, source.length) : target.room;
        const count = Math.min(copied.length, most);
        target.put(copied, 0, count);
        if (isDifference) target.change(source, count);
        from += count;
        if (target.room === 0) yield target.next();
      }
      for (let left = Number(literalLength); left > 0; ) {
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

function lengthOf(operations: readonly PatchOperation[]): number {
  let length = 0;
  for (const { copyLength, literalLength } of operations) {
    length += Number(copyLength) + Number(literalLength);
  }
  return length;
}

/** Collects small stretches into pieces that are worth a write; the last is full as well. */
class Pieces {
  private piece: Uint8Array;
  private filled = 0;

  /** @param left bytes that are still to come */
  constructor(private left: number) {
    this.piece = new Uint8Array(Math.min(pieceBytes, left));
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
    addTo(this.piece, this.filled - count, source.bytes, source.at, count);
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

/** Adds byte by byte. A difference is mostly zeros, which are passed over 16 at a time. */
function addTo(
  target: Uint8Array,
  targetAt: number,
  bytes: Uint8Array,
  from: number,
  count: number,
): void {
  const add = (at: number, until: number) => {
    for (let i = at; i < until; i++) {
      const byte = bytes[i] as number;
      if (byte !== 0) target[targetAt + i - from] = (target[targetAt + i - from] as number) + byte;
    }
  };
  const end = from + count;
  const isShort = count < fewBytes;
  const head = isShort ? count : (4 - ((bytes.byteOffset + from) % 4)) % 4;
  add(from, from + head);
  if (isShort) return;
  const first = from + head;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + first, (end - first) >> 2);
  const most = words.length - (words.length % wordsAtOnce);
  for (let word = 0; word < most; word += wordsAtOnce) {
    const one = (words[word] as number) | (words[word + 1] as number);
    const other = (words[word + 2] as number) | (words[word + 3] as number);
    if (one !== 0) add(first + 4 * word, first + 4 * word + 8);
    if (other !== 0) add(first + 4 * word + 8, first + 4 * word + 16);
  }
  add(first + 4 * most, end);
}

/** Bytes that come in pieces of any size: what is left of one is `bytes` from `at`. */
class ByteSource {
  private readonly pieces: AsyncIterator<Uint8Array>;
  bytes: Uint8Array = new Uint8Array();
  at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.pieces = source[Symbol.asyncIterator]();
  }

  get length(): number {
    return this.bytes.length - this.at;
  }

  /** False at the end. */
  async more(): Promise<boolean> {
    while (this.length === 0) {
      const next = await this.pieces.next();
      if (next.done) return false;
      this.bytes = next.value;
      this.at = 0;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.pieces.return?.();
  }
}
