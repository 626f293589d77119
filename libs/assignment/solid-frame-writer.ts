import { create } from '@bufbuild/protobuf';
import { Compression, type DataSlice, DataSliceSchema } from '#libs/contracts/index.js';
import { compress } from '#libs/native/zstd.js';
import type { DataFile } from './data-file.js';

/** Readers take a frame in one piece. */
const frameBytes = 4 * 1024 ** 2;

/** Where content stands, once its frame is written. */
export type SolidPart<T> = readonly [part: T, slice: DataSlice];

/**
 * Stores small contents in solid frames: similar ones cost little beside each other. What was added
 * has its slice when a later call returns it.
 */
export class SolidFrameWriter<T> {
  private parts: { part: T; bytes: Uint8Array }[] = [];
  private filled = 0;

  /** @param level zstd's */
  constructor(
    private readonly data: DataFile,
    private readonly level: number,
  ) {}

  /** @returns the parts of a frame that became full */
  async add(part: T, bytes: Uint8Array): Promise<SolidPart<T>[]> {
    const isFull = this.filled + bytes.length > frameBytes;
    const written = isFull ? await this.finish() : [];
    this.parts.push({ part, bytes });
    this.filled += bytes.length;
    return written;
  }

  /** Writes the last frame. */
  async finish(): Promise<SolidPart<T>[]> {
    const { parts } = this;
    if (parts.length === 0) return [];
    this.parts = [];
    this.filled = 0;
    const plain = Buffer.concat(parts.map(({ bytes }) => bytes));
    const bytes = await compress(plain, this.level);
    const frame = await this.data.append({ compression: Compression.ZSTD, bytes });
    let at = 0;
    return parts.map(({ part, bytes }) => {
      const place = { contentOffset: BigInt(at), contentBytes: BigInt(plain.length) };
      at += bytes.length;
      return [part, create(DataSliceSchema, { ...frame, ...place })] as const;
    });
  }
}
