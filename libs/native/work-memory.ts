/** Gives memory of a length that is written before it is read. */
export type TakeMemory = (bytes: number) => Uint8Array;

const smallestPieceBytes = 65_536;
const largestPieceBytes = 16 * 1024 ** 2;

/**
 * Memory that is used again. New memory for each file costs more than most work on it: the system
 * clears it, and the garbage collector looks through everything whenever some of it was given out.
 */
export class WorkMemory {
  private readonly spare: ArrayBuffer[] = [];
  private spareBytes = 0;

  /** @param keptBytes what may lie idle */
  constructor(private readonly keptBytes: number) {}

  /** What the action takes is used again afterwards: the result must not hold any of it. */
  async lend<R>(action: (take: TakeMemory) => Promise<R>): Promise<R> {
    const lent: ArrayBuffer[] = [];
    try {
      return await action((bytes) => {
        const piece = this.take(bytes);
        lent.push(piece);
        return new Uint8Array(piece, 0, bytes);
      });
    } finally {
      for (const piece of lent) this.give(piece);
    }
  }

  private take(bytes: number): ArrayBuffer {
    const wanted = bytes > largestPieceBytes ? bytes : pieceBytes(bytes);
    const index = this.spare.findIndex(({ byteLength }) => byteLength === wanted);
    const [piece] = index < 0 ? [] : this.spare.splice(index, 1);
    if (!piece) return newMemory(wanted).buffer;
    this.spareBytes -= wanted;
    return piece;
  }

  private give(piece: ArrayBuffer): void {
    const { byteLength } = piece;
    if (byteLength > largestPieceBytes || this.spareBytes + byteLength > this.keptBytes) return;
    this.spare.push(piece);
    this.spareBytes += byteLength;
  }
}

/** New memory, not cleared. */
export function newMemory(bytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer as ArrayBuffer);
}

/** Few sizes, so that a piece fits what is asked for next. */
function pieceBytes(bytes: number): number {
  return Math.max(smallestPieceBytes, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));
}

/** Memory for one thing at a time: what was taken is valid until more is taken. */
export class KeptMemory {
  private memory = new Uint8Array(0);

  /** @param keptBytes more is new each time */
  constructor(private readonly keptBytes: number) {}

  readonly take: TakeMemory = (bytes) => {
    if (bytes > this.keptBytes) return newMemory(bytes);
    if (this.memory.length < bytes) {
      this.memory = newMemory(Math.min(this.keptBytes, Math.max(smallestPieceBytes, 2 * bytes)));
    }
    return this.memory.subarray(0, bytes);
  };
}
