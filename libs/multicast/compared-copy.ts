import { FrameSet } from './frame-set.js';
import { type Geometry, unitRange, unitsOfRange } from './geometry.js';

/**
 * A member's copy of a container that is kept as marks: which pieces of it equal the original now.
 * Thousands of simulated members need no memory of their own, and no wrong byte goes unnoticed:
 * what was not written right reads as zeros.
 */
export class ComparedCopy {
  /** Two marks a frame: for its bytes in the first unit that it reaches into, and in the next. */
  private readonly right: FrameSet;

  constructor(
    private readonly original: Buffer,
    private readonly geometry: Geometry,
  ) {
    this.right = new FrameSet(2 * geometry.frameCount);
  }

  get isWhole(): boolean {
    let isWhole = true;
    this.each(0, this.original.length, (mark) => {
      isWhole &&= this.right.has(mark);
    });
    return isWhole;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.each(offset, bytes.length, (mark, from, end) => {
      const part = bytes.subarray(from - offset, end - offset);
      if (this.original.subarray(from, end).equals(part)) this.right.add(mark);
      else this.right.remove(mark);
    });
  }

  read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    this.each(offset, length, (mark, from, end) => {
      if (this.right.has(mark)) bytes.set(this.original.subarray(from, end), from - offset);
    });
    return bytes;
  }

  /** The pieces of a range, with their marks. A part of a piece counts for all of it. */
  private each(
    offset: number,
    length: number,
    visit: (mark: number, from: number, end: number) => void,
  ): void {
    const { frameBytes } = this.geometry;
    const { first, last } = unitsOfRange(this.geometry, { offset, length });
    for (let unit = first; unit <= last; unit++) {
      const range = unitRange(this.geometry, unit);
      const end = Math.min(offset + length, range.offset + range.length);
      for (let from = Math.max(offset, range.offset); from < end; ) {
        const frame = Math.floor(from / frameBytes);
        const pieceEnd = Math.min(end, (frame + 1) * frameBytes);
        const isSecond = frame * frameBytes < range.offset;
        visit(2 * frame + (isSecond ? 1 : 0), from, pieceEnd);
        from = pieceEnd;
      }
    }
  }
}
