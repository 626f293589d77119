import type { DataSlice } from '#libs/contracts/host.js';
import { AssignmentRefused } from './errors.js';

/** The most that may be in one solid frame: what a reader keeps in memory for it. */
export const largestSolidBytes = 8 * 1024 ** 2;
/**
 * Files come in the order of their frames, of which there are two kinds, whole files and
 * differences; those read ahead may reach into the next one.
 */
const framesKept = 4;

/** The solid frames of a data file: each is decompressed once for all files that are in it. */
export class SolidFrames {
  private readonly frames = new Map<bigint, Promise<Uint8Array>>();

  constructor(
    private readonly decompressed: (slice: DataSlice, maxBytes: number) => Promise<Uint8Array>,
  ) {}

  /**
   * `bytes` bytes of what is in the slice's frame.
   * @throws AssignmentRefused `damaged` when they are not in it, `too-large` for a frame beyond
   *   `largestSolidBytes`
   */
  async read(slice: DataSlice, bytes: number): Promise<Uint8Array> {
    const { contentOffset, contentBytes } = slice;
    if (contentBytes > BigInt(largestSolidBytes)) {
      throw new AssignmentRefused('too-large', `a solid frame of ${contentBytes} bytes`);
    }
    const end = contentOffset + BigInt(bytes);
    if (end > contentBytes) throw outside(slice);
    const content = await this.frame(slice);
    if (end > BigInt(content.length)) throw outside(slice);
    return content.subarray(Number(contentOffset), Number(end));
  }

  private frame(slice: DataSlice): Promise<Uint8Array> {
    const known = this.frames.get(slice.offset);
    if (known) return known;
    const content = this.decompressed(slice, Number(slice.contentBytes));
    this.frames.set(slice.offset, content);
    for (const oldest of this.frames.keys()) {
      if (this.frames.size <= framesKept) break;
      this.frames.delete(oldest);
    }
    return content;
  }
}

function outside({ offset, contentOffset }: DataSlice): AssignmentRefused {
  return new AssignmentRefused(
    'damaged',
    `content at ${contentOffset} is outside of the solid frame at ${offset}`,
  );
}
