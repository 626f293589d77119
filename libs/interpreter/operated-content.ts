import type { PatchOperation } from '#libs/contracts/index.js';

/** Larger bases are read where an operation wants them. */
const wholeBaseBytes = 64 * 1024 ** 2;
const pieceBytes = 262_144;

/** The base file of a patch. */
export interface PatchBase {
  readonly sizeBytes: number;
  all(): Uint8Array;
  range(offset: number, length: number): Iterable<Uint8Array>;
}

/**
 * What operations make of a base and of the patch's bytes: copies and literals in turn, in pieces.
 * There may be an operation for each hundred bytes: only where bytes have run out is awaited, and
 * only whole pieces are yielded.
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
  const whole = base.sizeBytes <= wholeBaseBytes ? base.all() : undefined;
  try {
    for (const { copyOffset, copyLength, literalLength } of operations) {
      for (const copied of rangeOf(base, whole, Number(copyOffset), Number(copyLength))) {
        for (let at = 0; at < copied.length; ) {
          if (isDifference && source.isEmpty && !(await source.more())) return;
          const room = Math.min(copied.length - at, target.room);
          at += isDifference
            ? target.add(copied, at, source.take(room))
            : target.put(copied.subarray(at, at + room));
          if (target.room === 0) yield target.next();
        }
      }
      for (let left = Number(literalLength); left > 0; ) {
        if (source.isEmpty && !(await source.more())) return;
        left -= target.put(source.take(Math.min(left, target.room)));
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

function* rangeOf(base: PatchBase, whole: Uint8Array | undefined, offset: number, length: number) {
  if (length === 0) return;
  if (whole) yield whole.subarray(offset, offset + length);
  else yield* base.range(offset, length);
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

  /** The sum of both, byte by byte. @returns how many */
  add(copied: Uint8Array, from: number, difference: Uint8Array): number {
    const { piece, filled } = this;
    for (let i = 0; i < difference.length; i++) {
      piece[filled + i] = (copied[from + i] as number) + (difference[i] as number);
    }
    this.filled += difference.length;
    return difference.length;
  }

  /** @returns how many */
  put(bytes: Uint8Array): number {
    this.piece.set(bytes, this.filled);
    this.filled += bytes.length;
    return bytes.length;
  }

  /** The full piece; the next one takes its place. */
  next(): Uint8Array {
    const { piece } = this;
    this.left -= piece.length;
    this.piece = new Uint8Array(Math.min(pieceBytes, this.left));
    this.filled = 0;
    return piece;
  }
}

/** Bytes that come in pieces of any size. */
class ByteSource {
  private readonly pieces: AsyncIterator<Uint8Array>;
  private left: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.pieces = source[Symbol.asyncIterator]();
  }

  get isEmpty(): boolean {
    return this.left.length === 0;
  }

  /** False at the end. */
  async more(): Promise<boolean> {
    while (this.isEmpty) {
      const next = await this.pieces.next();
      if (next.done) return false;
      this.left = next.value;
    }
    return true;
  }

  /** At most so many, at least one. */
  take(length: number): Uint8Array {
    const bytes = this.left.subarray(0, length);
    this.left = this.left.subarray(bytes.length);
    return bytes;
  }

  async close(): Promise<void> {
    await this.pieces.return?.();
  }
}
