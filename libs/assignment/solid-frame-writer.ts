import { create } from '@bufbuild/protobuf';
import { Compression, type DataSlice, DataSliceSchema } from '#libs/contracts/index.js';
import { newMemory } from '#libs/native/work-memory.js';
import { compress } from '#libs/native/zstd.js';
import type { DataFile } from './data-file.js';

/** Readers take a frame in one piece. */
const frameBytes = 4 * 1024 ** 2;

/** Where content stands, once its frame is written. */
export type SolidPart<T> = readonly [part: T, slice: DataSlice];

interface Part<T> {
  readonly part: T;
  readonly bytes: number;
}

/** A frame that is being filled. */
interface Frame<T> {
  readonly parts: Part<T>[];
  readonly memory: Uint8Array;
  filledBytes: number;
}

/** A frame that is full: it is compressed while the next one is filled. */
interface ClosedFrame<T> extends Frame<T> {
  readonly stored: Promise<Uint8Array>;
}

/**
 * Stores small contents in solid frames: similar ones cost little beside each other. What was added
 * has its slice when a later call returns it.
 */
export class SolidFrameWriter<T> {
  private open: Frame<T> | undefined;
  private closed: ClosedFrame<T> | undefined;
  private readonly spare: Uint8Array[] = [];

  /** @param level zstd's */
  constructor(
    private readonly data: DataFile,
    private readonly level: number,
  ) {}

  /**
   * @param bytes copied
   * @returns the parts of a frame that was written
   */
  async add(part: T, bytes: Uint8Array): Promise<SolidPart<T>[]> {
    const isFull = this.open && this.open.filledBytes + bytes.length > frameBytes;
    const written = isFull ? await this.next() : [];
    this.open ??= this.newFrame();
    this.open.memory.set(bytes, this.open.filledBytes);
    this.open.filledBytes += bytes.length;
    this.open.parts.push({ part, bytes: bytes.length });
    return written;
  }

  /** Writes the last frames. */
  async finish(): Promise<SolidPart<T>[]> {
    return [...(await this.next()), ...(await this.next())];
  }

  private newFrame(): Frame<T> {
    return { parts: [], memory: this.spare.pop() ?? newMemory(frameBytes), filledBytes: 0 };
  }

  /** Closes the frame at hand and writes the one before it. */
  private async next(): Promise<SolidPart<T>[]> {
    const { closed, open } = this;
    this.closed = open && this.close(open);
    this.open = undefined;
    return closed ? await this.write(closed) : [];
  }

  private close(frame: Frame<T>): ClosedFrame<T> {
    const stored = compress(frame.memory.subarray(0, frame.filledBytes), this.level);
    // It may fail before anybody waits for it.
    stored.catch(() => undefined);
    return { ...frame, stored };
  }

  private async write(frame: ClosedFrame<T>): Promise<SolidPart<T>[]> {
    const bytes = await frame.stored;
    this.spare.push(frame.memory);
    const slice = await this.data.append({ compression: Compression.ZSTD, bytes });
    let at = 0;
    return frame.parts.map(({ part, bytes }) => {
      const place = { contentOffset: BigInt(at), contentBytes: BigInt(frame.filledBytes) };
      at += bytes;
      return [part, create(DataSliceSchema, { ...slice, ...place })] as const;
    });
  }
}
