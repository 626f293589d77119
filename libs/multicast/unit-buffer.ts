import type { ContentCipher } from './content-cipher.js';
import { type Geometry, unitRange, unitsOfRange } from './geometry.js';
import { type ByteRange, blockBytes, type SessionSink } from './session.js';
import type { Piece } from './units.js';

/** Memory that one session may use for units that are not verified and written yet. */
export const unitBufferBytes = 32 * 2 ** 20;

/** Buffers that are used again: as many as a few batches take. */
const keptBuffers = 32;

/**
 * Gathers units in memory, so that most are verified before they touch the disk and are written in
 * one piece. When memory runs short, unfinished units go to the sink and are completed there. What
 * is kept is plain; what is put and read is as it goes over the network.
 */
export class UnitBuffer {
  private readonly gathered = new Map<number, Uint8Array>();
  /** Units on their way to the sink. */
  private readonly leaving = new Map<number, Uint8Array>();
  private readonly spilled = new Set<number>();
  private readonly spare: Uint8Array[] = [];
  private reading: Uint8Array = new Uint8Array(0);
  private work: Promise<void> = Promise.resolve();
  private waiting = 0;
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
      const copy = new Uint8Array(bytes.length);
      this.copy(offset, bytes, copy);
      return this.charged(copy.length, () => this.sink.writeAt(offset, copy));
    }
    const buffer = this.gathered.get(unit) ?? this.allocate(unit);
    const at = offset - unitRange(this.geometry, unit).offset;
    this.copy(offset, bytes, buffer.subarray(at, at + bytes.length));
    return this.usedBytes > this.budgetBytes ? this.spillOldest() : undefined;
  }

  /**
   * Has the sink verify a whole unit, and keep it when it is sound: at once when nothing waits for
   * the sink and it has its answer at once, for then the unit is still in the CPU's cache.
   */
  verify(unit: number): boolean | Promise<boolean> {
    const buffer = this.gathered.get(unit);
    this.gathered.delete(unit);
    if (!buffer) return this.queued(() => this.verifySpilled(unit));
    if (this.waiting > 0) return this.leave(unit, buffer, () => this.keep(unit, buffer));
    const kept = this.keep(unit, buffer);
    if (typeof kept !== 'boolean') return this.leave(unit, buffer, () => kept);
    this.release(buffer);
    return kept;
  }

  /**
   * Reads bytes as they were received, wherever they are now; what is not there is undefined bytes.
   * @param look called when all verdicts so far are in, just before anything is read
   * @param use called with the bytes, which are good until it returns, and with what `look` saw
   */
  read<S, T>(
    range: ByteRange,
    isSound: (unit: number) => boolean,
    look: () => S,
    use: (bytes: Uint8Array, seen: S) => T,
  ): Promise<T> {
    return this.queued(async () => {
      const seen = look();
      const bytes = this.readRoom(range.length);
      const { first, last } = unitsOfRange(this.geometry, range);
      for (let unit = first; unit <= last; ) {
        // What lies in the sink in one piece is read in one piece.
        let next = unit;
        while (next <= last && this.isInSink(next, isSound)) next++;
        const end = next > unit ? next - 1 : unit;
        const piece = this.within(range, unit, end);
        const part = next > unit ? await this.sink.readAt(piece.offset, piece.length) : undefined;
        const at = piece.offset - range.offset;
        const held = part ?? this.heldPart(unit, piece);
        if (held) this.copy(piece.offset, held, bytes.subarray(at, at + piece.length));
        unit = end + 1;
      }
      return use(bytes, seen);
    });
  }

  /** One memory for all reads: they follow each other, and new memory is dear to collect. */
  private readRoom(length: number): Uint8Array {
    if (this.reading.length < length) this.reading = Buffer.allocUnsafeSlow(length);
    return this.reading.subarray(0, length);
  }

  private isInSink(unit: number, isSound: (unit: number) => boolean): boolean {
    const held = this.gathered.get(unit) ?? this.leaving.get(unit);
    return isSound(unit) || (!held && this.spilled.has(unit));
  }

  /** What of a range lies in some units. */
  private within(range: ByteRange, first: number, last: number): ByteRange {
    const { offset } = unitRange(this.geometry, first);
    const border = unitRange(this.geometry, last);
    const from = Math.max(offset, range.offset);
    const end = Math.min(border.offset + border.length, range.offset + range.length);
    return { offset: from, length: end - from };
  }

  private heldPart(unit: number, { offset, length }: ByteRange): Uint8Array | undefined {
    const from = offset - unitRange(this.geometry, unit).offset;
    const held = this.gathered.get(unit) ?? this.leaving.get(unit);
    return held?.subarray(from, from + length);
  }

  /** Resolves when everything asked for so far has been done. */
  settled(): Promise<void> {
    return this.work;
  }

  /** Hides what is plain, and the other way round. */
  private copy(offset: number, from: Uint8Array, to: Uint8Array): void {
    if (this.cipher) this.cipher.apply(offset, from, to);
    else to.set(from);
  }

  private leave(
    unit: number,
    buffer: Uint8Array,
    keep: () => boolean | Promise<boolean>,
  ): Promise<boolean> {
    this.leaving.set(unit, buffer);
    return this.queued(async () => {
      const isSound = await keep();
      this.leaving.delete(unit);
      this.release(buffer);
      return isSound;
    });
  }

  private keep(unit: number, bytes: Uint8Array): boolean | Promise<boolean> {
    const verdict = this.verdict(unit, bytes);
    if (typeof verdict !== 'boolean')
      return verdict.then((sound) => this.store(unit, bytes, sound));
    return this.store(unit, bytes, verdict);
  }

  private verdict(unit: number, bytes: Uint8Array): boolean | Promise<boolean> {
    return unit === 0 ? this.sink.verifyHead(bytes) : this.sink.verifyBlock(unit - 1, bytes);
  }

  private store(unit: number, bytes: Uint8Array, isSound: boolean): boolean | Promise<boolean> {
    const { offset } = unitRange(this.geometry, unit);
    const written = isSound ? this.sink.writeAt(offset, bytes) : undefined;
    return written ? written.then(() => isSound) : isSound;
  }

  private async verifySpilled(unit: number): Promise<boolean> {
    const { offset, length } = unitRange(this.geometry, unit);
    const isSound = await this.verdict(unit, await this.sink.readAt(offset, length));
    this.spilled.delete(unit);
    return isSound;
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
    if (buffer.length === blockBytes && this.spare.length < keptBuffers) this.spare.push(buffer);
  }

  private async spillOldest(): Promise<void> {
    const [oldest] = this.gathered;
    if (!oldest) return;
    const [unit, buffer] = oldest;
    this.gathered.delete(unit);
    this.spilled.add(unit);
    // What is being read meanwhile finds it here, for it is in the sink only then.
    this.leaving.set(unit, buffer);
    await this.queued(async () => {
      await this.sink.writeAt(unitRange(this.geometry, unit).offset, buffer);
      this.leaving.delete(unit);
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
    this.waiting++;
    const result = this.work.then(task);
    const over = () => void this.waiting--;
    this.work = result.then(over, over);
    return result;
  }
}
