import { create } from '@bufbuild/protobuf';
import { Compression, type DataSlice, DataSliceSchema } from '#libs/contracts/index.js';
import { compress } from '#libs/native/zstd.js';
import type { DataFile } from './data-file.js';

/** Readers take a frame in one piece. */
const frameBytes = 4 * 1024 ** 2;

/** Where content stands, once its frame is written. */
export type SolidPart<T> = readonly [part: T, slice: DataSlice];

interface Part<T> {
  readonly part: T;
  readonly bytes: Uint8Array;
}

/** A frame that is full: it is compressed while the next one is filled. */
interface ClosedFrame<T> {
  readonly parts: readonly Part<T>[];
  readonly plainBytes: number;
  readonly bytes: Promise<Uint8Array>;
}

/**
 * Stores small contents in solid frames: similar ones cost little beside each other. What was added
 * has its slice when a later call returns it.
 */
export class SolidFrameWriter<T> {
  private parts: Part<T>[] = [];
  private filledBytes = 0;
  private closed: ClosedFrame<T> | undefined;

  /** @param level zstd's */
  constructor(
    private readonly data: DataFile,
    private readonly level: number,
  ) {}

  /** @returns the parts of a frame that was written */
  async add(part: T, bytes: Uint8Array): Promise<SolidPart<T>[]> {
    const isFull = this.filledBytes + bytes.length > frameBytes;
    const written = isFull ? await this.next() : [];
    this.parts.push({ part, bytes });
    this.filledBytes += bytes.length;
    return written;
  }

  /** Writes the last frames. */
  async finish(): Promise<SolidPart<T>[]> {
    return [...(await this.next()), ...(await this.next())];
  }

  /** Closes the frame at hand and writes the one before it. */
  private async next(): Promise<SolidPart<T>[]> {
    const { closed, parts } = this;
    this.closed = parts.length > 0 ? this.close(parts) : undefined;
    this.parts = [];
    this.filledBytes = 0;
    return closed ? await this.write(closed) : [];
  }

  private close(parts: readonly Part<T>[]): ClosedFrame<T> {
    const plain = Buffer.concat(parts.map(({ bytes }) => bytes));
    const bytes = compress(plain, this.level);
    // It may fail before anybody waits for it.
    bytes.catch(() => undefined);
    return { parts, plainBytes: plain.length, bytes };
  }

  private async write({ parts, plainBytes, bytes }: ClosedFrame<T>): Promise<SolidPart<T>[]> {
    const stored = { compression: Compression.ZSTD, bytes: await bytes };
    const frame = await this.data.append(stored);
    let at = 0;
    return parts.map(({ part, bytes }) => {
      const place = { contentOffset: BigInt(at), contentBytes: BigInt(plainBytes) };
      at += bytes.length;
      return [part, create(DataSliceSchema, { ...frame, ...place })] as const;
    });
  }
}
