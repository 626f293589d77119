import {
  type Galois,
  galoisKernel,
  galoisStrideBytes,
  galoisTablesBytes,
  inverse,
  product,
} from './galois.js';

/** A repair frame of a batch: the sum of its frames, each times a factor that `index` decides. */
export interface ParityFrame {
  readonly index: number;
  readonly content: Uint8Array;
}

/** A batch as it is in memory: `frames[i]` of `frameBytes`, the missing ones in any state. */
export interface Batch {
  readonly frameCount: number;
  readonly frameBytes: number;
  /** All frames in a row; the last one may be shorter than `frameBytes`. */
  readonly bytes: Uint8Array;
}

/**
 * The factor of a frame in a repair frame, 1 to 255: a mix of both numbers that leader and members
 * compute alike. Random factors make any r repair frames mend any r losses but for a chance of 1 in
 * 255, there is no end of repair frames, and a batch may be longer than the 255 of Reed-Solomon.
 */
export function factorOf(index: number, frame: number): number {
  let mixed = Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(frame + 1, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
  return (((mixed ^ (mixed >>> 15)) >>> 0) % 255) + 1;
}

/** Makes and uses repair frames. Keeps its memory: about that of a batch. */
export class ParityCodec {
  private galois?: Galois;
  private readonly strideBytes: number;
  private readonly base: number;

  constructor(
    private readonly batchFrames: number,
    private readonly frameBytes: number,
  ) {
    this.strideBytes = Math.ceil(frameBytes / galoisStrideBytes) * galoisStrideBytes;
    this.base = galoisTablesBytes;
  }

  /** Repair frames `first` to `first + count - 1` of a batch. */
  encode(batch: Batch, first: number, count: number): Uint8Array[] {
    const galois = this.loaded(batch, () => true);
    const out = this.addressOf(this.batchFrames);
    return Array.from({ length: count }, (_, offset) => {
      galois.memory.fill(0, out, out + this.strideBytes);
      for (let frame = 0; frame < batch.frameCount; frame++) {
        const factor = factorOf(first + offset, frame);
        galois.addProduct(out, this.addressOf(frame), this.strideBytes, factor);
      }
      return Uint8Array.from(galois.memory.subarray(out, out + this.frameBytes));
    });
  }

  /** The missing frames, in their order; `undefined` when the repair frames do not suffice. */
  decode(
    batch: Batch,
    isThere: (frame: number) => boolean,
    parity: readonly ParityFrame[],
  ): Map<number, Uint8Array> | undefined {
    const missing = Array.from({ length: batch.frameCount }, (_, frame) => frame).filter(
      (frame) => !isThere(frame),
    );
    const rows = independentRows(missing, parity);
    if (!rows) return undefined;
    const galois = this.loaded(batch, isThere);
    // A missing frame's place takes a repair frame, less what is known.
    for (const [at, { content, index }] of rows.used.entries()) {
      const target = this.addressOf(missing[at] ?? 0);
      galois.memory.set(content.subarray(0, this.frameBytes), target);
      for (let frame = 0; frame < batch.frameCount; frame++) {
        if (!isThere(frame)) continue;
        const factor = factorOf(index, frame);
        galois.addProduct(target, this.addressOf(frame), this.strideBytes, factor);
      }
    }
    return this.solved(galois, missing, rows.inverted);
  }

  /** What the frames that are there add to repair frames 0 to `count - 1`. */
  sums(batch: Batch, isThere: (frame: number) => boolean, count: number): Uint8Array[] {
    const galois = this.loaded(batch, isThere);
    const out = this.addressOf(this.batchFrames);
    return Array.from({ length: count }, (_, index) => {
      galois.memory.fill(0, out, out + this.strideBytes);
      for (let frame = 0; frame < batch.frameCount; frame++) {
        if (!isThere(frame)) continue;
        const factor = factorOf(index, frame);
        galois.addProduct(out, this.addressOf(frame), this.strideBytes, factor);
      }
      return Uint8Array.from(galois.memory.subarray(out, out + this.frameBytes));
    });
  }

  /** Like `decode`, by the sums of what is there; every repair frame has one. */
  finish(
    missing: readonly number[],
    parity: readonly ParityFrame[],
    sums: readonly Uint8Array[],
  ): Map<number, Uint8Array> | undefined {
    const rows = independentRows(missing, parity);
    if (!rows) return undefined;
    const galois = this.kernel();
    const sum = this.addressOf(this.batchFrames);
    for (const [at, { content, index }] of rows.used.entries()) {
      const target = this.addressOf(missing[at] ?? 0);
      galois.memory.set(content.subarray(0, this.frameBytes), target);
      galois.memory.set(sums[index] ?? new Uint8Array(this.frameBytes), sum);
      galois.addProduct(target, sum, this.strideBytes, 1);
    }
    return this.solved(galois, missing, rows.inverted);
  }

  private solved(
    galois: Galois,
    missing: readonly number[],
    inverted: readonly Uint8Array[],
  ): Map<number, Uint8Array> {
    const out = this.addressOf(this.batchFrames);
    const recovered = new Map<number, Uint8Array>();
    for (const [row, frame] of missing.entries()) {
      galois.memory.fill(0, out, out + this.strideBytes);
      for (const [column, other] of missing.entries()) {
        const factor = inverted[row]?.[column] ?? 0;
        galois.addProduct(out, this.addressOf(other), this.strideBytes, factor);
      }
      recovered.set(frame, Uint8Array.from(galois.memory.subarray(out, out + this.frameBytes)));
    }
    return recovered;
  }

  private loaded(batch: Batch, isThere: (frame: number) => boolean): Galois {
    const galois = this.kernel();
    const { memory } = galois;
    for (let frame = 0; frame < batch.frameCount; frame++) {
      if (!isThere(frame)) continue;
      const from = frame * batch.frameBytes;
      const bytes = batch.bytes.subarray(from, from + batch.frameBytes);
      const at = this.addressOf(frame);
      memory.set(bytes, at);
      if (bytes.length < this.strideBytes) memory.fill(0, at + bytes.length, at + this.strideBytes);
    }
    return galois;
  }

  private kernel(): Galois {
    this.galois ??= galoisKernel((this.batchFrames + 1) * this.strideBytes);
    return this.galois;
  }

  private addressOf(frame: number): number {
    return this.base + frame * this.strideBytes;
  }
}

/** As many repair frames as are missing that do not follow from each other, and the inverse. */
function independentRows(missing: readonly number[], parity: readonly ParityFrame[]) {
  const size = missing.length;
  const used: ParityFrame[] = [];
  const reduced: Uint8Array[] = [];
  const pivots: number[] = [];
  for (const frame of parity) {
    if (used.length === size) break;
    // Left: factors of the missing frames. Right: how the row is made of the repair frames used.
    const row = new Uint8Array(2 * size);
    for (const [column, sequence] of missing.entries()) {
      row[column] = factorOf(frame.index, sequence);
    }
    row[size + used.length] = 1;
    for (const [at, other] of reduced.entries()) addRow(row, other, row[pivots[at] ?? 0] ?? 0);
    const pivot = row.subarray(0, size).findIndex((value) => value !== 0);
    if (pivot < 0) continue;
    scale(row, inverse(row[pivot] ?? 1));
    for (const other of reduced) addRow(other, row, other[pivot] ?? 0);
    used.push(frame);
    reduced.push(row);
    pivots.push(pivot);
  }
  if (used.length < size) return undefined;
  const inverted: Uint8Array[] = [];
  for (const [at, pivot] of pivots.entries()) {
    inverted[pivot] = (reduced[at] ?? new Uint8Array(0)).subarray(size);
  }
  return { used, inverted };
}

function addRow(target: Uint8Array, source: Uint8Array, factor: number): void {
  if (factor === 0) return;
  for (let at = 0; at < target.length; at++) {
    target[at] = (target[at] ?? 0) ^ product(factor, source[at] ?? 0);
  }
}

function scale(row: Uint8Array, factor: number): void {
  for (let at = 0; at < row.length; at++) row[at] = product(factor, row[at] ?? 0);
}
