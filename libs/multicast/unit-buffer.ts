import type { ContentCipher } from './content-cipher.js';
import { type Geometry, unitRange, unitsOfRange } from './geometry.js';
import { type ByteRange, blockBytes, type SessionSink } from './session.js';
import type { Piece } from './units.js';

/** Memory that one session may use for units that are not verified and written yet. */
export const unitBufferBytes = 32 * 2 ** 20;

/**
 * Gathers units in memory, so that most are verified before they touch the disk and are written in
 * one piece. When memory runs short, unfinished units go to the sink and are completed there.
 */
export class UnitBuffer {
  private readonly gathered = new Map<number, Uint8Array>();
  /** Whole units on their way to the sink. */
  private readonly leaving = new Map<number, Uint8Array>();
  private readonly spilled = new Set<number>();
  private readonly spare: Uint8Array[] = [];
  private work: Promise<void> = Promise.resolve();
  private usedBytes = 0;

  constructor(
    private readonly geometry: Geometry,
    private readonly sink: SessionSink,
    private readonly cipher?: ContentCipher,
    private readonly budgetBytes = unitBufferBytes,
  ) {}

  /** False: the disk is behind; what comes now had better count as lost. */
  get hasRoom(): boolean {
    return this.usedBytes < 2 * this.budgetBytes;
  }

  /** Takes the bytes over at once. @returns a failure of the sink, if one can come of this */
  put({ unit, offset, bytes }: Piece): Promise<void> | undefined {
    if (this.spilled.has(unit)) {
      const copy = Uint8Array.from(bytes);
      return this.charged(copy.length, () => this.sink.writeAt(offset, copy));
    }
    const buffer = this.gathered.get(unit) ?? this.allocate(unit);
    buffer.set(bytes, offset - unitRange(this.geometry, unit).offset);
    return this.usedBytes > this.budgetBytes ? this.spillOldest() : undefined;
  }

  /** Has the sink verify a whole unit, and keep it when it is sound. */
  verify(unit: number): Promise<boolean> {
    const range = unitRange(this.geometry, unit);
    const buffer = this.gathered.get(unit);
    if (buffer) this.leaving.set(unit, buffer);
    this.gathered.delete(unit);
    return this.queued(async () => {
      const hidden = buffer ?? (await this.sink.readAt(range.offset, range.length));
      // In place: whoever reads the unit meanwhile waits in the queue.
      const bytes = this.cipher?.apply(range.offset, hidden, buffer) ?? hidden;
      const isSound = await (unit === 0
        ? this.sink.verifyHead(bytes)
        : this.sink.verifyBlock(unit - 1, bytes));
      if (isSound && (buffer || this.cipher)) await this.sink.writeAt(range.offset, bytes);
      this.leaving.delete(unit);
      if (buffer) this.release(buffer);
      this.spilled.delete(unit);
      return isSound;
    });
  }

  /**
   * Reads bytes as they were received, wherever they are now; what is not there is undefined bytes.
   * @param look called when all verdicts so far are in, just before anything is read
   * @param use called with the bytes and with what `look` saw
   */
  read<S, T>(
    range: ByteRange,
    isSound: (unit: number) => boolean,
    look: () => S,
    use: (bytes: Uint8Array, seen: S) => T,
  ): Promise<T> {
    return this.queued(async () => {
      const seen = look();
      const bytes = new Uint8Array(range.length);
      const { first, last } = unitsOfRange(this.geometry, range);
      for (let unit = first; unit <= last; unit++) {
        const { offset, length } = unitRange(this.geometry, unit);
        const from = Math.max(offset, range.offset);
        const end = Math.min(offset + length, range.offset + range.length);
        const held = this.gathered.get(unit) ?? this.leaving.get(unit);
        let part = held?.subarray(from - offset, end - offset);
        if (isSound(unit)) {
          const plain = await this.sink.readAt(from, end - from);
          part = this.cipher?.apply(from, plain) ?? plain;
        } else if (this.spilled.has(unit)) part = await this.sink.readAt(from, end - from);
        if (part) bytes.set(part, from - range.offset);
      }
      return use(bytes, seen);
    });
  }

  /** Resolves when everything asked for so far has been done. */
  settled(): Promise<void> {
    return this.work;
  }

  private allocate(unit: number): Uint8Array {
    const { length } = unitRange(this.geometry, unit);
    const buffer = (length === blockBytes && this.spare.pop()) || new Uint8Array(length);
    this.gathered.set(unit, buffer);
    this.usedBytes += length;
    return buffer;
  }

  private release(buffer: Uint8Array): void {
    this.usedBytes -= buffer.length;
    if (buffer.length === blockBytes && this.spare.length < 16) this.spare.push(buffer);
  }

  private async spillOldest(): Promise<void> {
    const [oldest] = this.gathered;
    if (!oldest) return;
    const [unit, buffer] = oldest;
    this.gathered.delete(unit);
    this.spilled.add(unit);
    await this.queued(async () => {
      await this.sink.writeAt(unitRange(this.geometry, unit).offset, buffer);
      this.release(buffer);
    });
  }

  private async charged(bytes: number, task: () => void | Promise<void>): Promise<void> {
    this.usedBytes += bytes;
    await this.queued(async () => {
      await task();
      this.usedBytes -= bytes;
    });
  }

  /** One thing after the other: a unit is written before it is read back. */
  private queued<T>(task: () => Promise<T>): Promise<T> {
    const result = this.work.then(task);
    this.work = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}
