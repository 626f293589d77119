import { framesOfBatch, type Geometry, rangeOfRun } from './geometry.js';
import { ParityCodec } from './kernels/parity.js';
import type { ByteRange } from './session.js';

/** A cable that loses one frame in a hundred takes so many of a batch from one of four. */
const preparedFrames = 6;
/** A call must not hold up what is being sent. */
const mostAtOnce = 2;
const preparedLimitBytes = 16 * 2 ** 20;

/**
 * Repair frames of a container that is being sent. The first ones of each batch can be made while
 * the link is busy with the first pass, for in the repairing pass it would wait for them.
 */
export class RepairMaker {
  private readonly prepared = new Map<number, readonly Uint8Array[]>();
  private preparedBytes = 0;
  private next = 0;
  private codec?: ParityCodec;

  /** @param read bytes of the container as they are sent, good until the next call */
  constructor(
    private readonly geometry: Geometry,
    private readonly read: (range: ByteRange) => Promise<Uint8Array>,
  ) {}

  /** Makes frames of the next batches of those that lie before a frame. */
  async prepare(untilFrame: number): Promise<void> {
    for (let batches = 0; batches < mostAtOnce; batches++) {
      const { first, count } = framesOfBatch(this.geometry, this.next);
      if (count < 1 || first + count > untilFrame) return;
      if (this.preparedBytes >= preparedLimitBytes) return;
      const batch = this.next++;
      this.prepared.set(batch, await this.make(batch, 0, preparedFrames));
      this.preparedBytes += preparedFrames * this.geometry.frameBytes;
    }
  }

  /** Repair frames `first` to `first + count - 1` of a batch. */
  async frames(batch: number, first: number, count: number): Promise<readonly Uint8Array[]> {
    const ready = this.prepared.get(batch)?.slice(first, first + count) ?? [];
    if (ready.length === count) return ready;
    return [...ready, ...(await this.make(batch, first + ready.length, count - ready.length))];
  }

  private async make(batch: number, first: number, count: number): Promise<readonly Uint8Array[]> {
    const { batchFrames, frameBytes } = this.geometry;
    const run = framesOfBatch(this.geometry, batch);
    const bytes = await this.read(rangeOfRun(this.geometry, run));
    this.codec ??= new ParityCodec(batchFrames, frameBytes);
    return this.codec.encode({ frameCount: run.count, frameBytes, bytes }, first, count);
  }
}
