import { framesOfBatch, rangeOfRun } from './geometry.js';
import { ParityCodec, type ParityFrame } from './kernels/parity.js';
import type { ReceiverState } from './receiver-state.js';
import type { UnitBuffer } from './unit-buffer.js';
import { isSoundUnit } from './units.js';

/** What has been worked out of a batch before repair frames come. */
interface Prepared {
  readonly missing: readonly number[];
  /** By the number of the repair frame, from 0: what the frames that are there add to it. */
  readonly sums: readonly Uint8Array[];
}

/** More than this is worked out when it is needed: a host that loses so much has no time. */
const mostMissing = 8;
const preparedLimitBytes = 16 * 2 ** 20;
/** In one go, so that turns stay short. */
const mostAtOnce = 2;

/**
 * Restores lost frames of batches. Nearly all work of that is to sum up the frames that are there:
 * it is done while the first pass is on and the host waits for frames, so that the end of a session
 * does not wait for it.
 */
export class BatchMender {
  private readonly prepared = new Map<number, Prepared>();
  private preparedBytes = 0;
  private next = 0;
  private codec?: ParityCodec;

  constructor(private readonly buffer: UnitBuffer) {}

  /** Works batches out that the first pass has left behind. @returns undefined: nothing to do */
  prepare(state: ReceiverState): Promise<unknown> | undefined {
    const { geometry, units, hearing, pass } = state;
    const work: Promise<void>[] = [];
    while (pass === 1 && (this.next + 1) * geometry.batchFrames <= hearing.settled) {
      if (work.length === mostAtOnce || this.preparedBytes > preparedLimitBytes) break;
      const batch = this.next++;
      const missing = units.frames.countMissing(framesOfBatch(geometry, batch));
      if (missing > 0 && missing <= mostMissing) work.push(this.prepareOne(state, batch));
    }
    return work.length > 0 ? Promise.all(work) : undefined;
  }

  /** Lost frames by their sequence; none: the repair frames do not suffice. */
  async mend(state: ReceiverState, batch: number): Promise<Map<number, Uint8Array>> {
    const { first } = framesOfBatch(state.geometry, batch);
    const parity = () => [...(state.repair.stash.get(batch)?.values() ?? [])];
    const mended =
      this.finished(state, batch, parity()) ??
      (await this.read(state, batch, (codec, shape, missing) => {
        const lost = new Set(missing);
        return codec.decode(shape, (frame) => !lost.has(frame), parity());
      }));
    return new Map([...(mended ?? [])].map(([frame, part]) => [first + frame, part]));
  }

  private async prepareOne(state: ReceiverState, batch: number): Promise<void> {
    await this.read(state, batch, (codec, shape, missing) => {
      if (missing.length === 0 || missing.length > mostMissing) return;
      const lost = new Set(missing);
      // One more than are needed: one may be lost, or follow from the others.
      const sums = codec.sums(shape, (frame) => !lost.has(frame), missing.length + 1);
      this.prepared.set(batch, { missing, sums });
      this.preparedBytes += sums.length * state.geometry.frameBytes;
    });
  }

  /** By what was prepared, if that is still how things are. */
  private finished(
    state: ReceiverState,
    batch: number,
    parity: readonly ParityFrame[],
  ): Map<number, Uint8Array> | undefined {
    const { missing, sums } = this.prepared.get(batch) ?? { missing: [], sums: [] };
    const now = missingOf(state, batch);
    const isSame = now.length === missing.length && now.every((frame, at) => frame === missing[at]);
    if (missing.length === 0 || !isSame) return undefined;
    const usable = parity.filter(({ index }) => sums[index] !== undefined);
    return this.codec?.finish(missing, usable, sums);
  }

  private read<T>(
    state: ReceiverState,
    batch: number,
    use: (codec: ParityCodec, shape: Shape, missing: readonly number[]) => T,
  ): Promise<T> {
    const { geometry, units } = state;
    const { batchFrames, frameBytes } = geometry;
    this.codec ??= new ParityCodec(batchFrames, frameBytes);
    const { codec } = this;
    const run = framesOfBatch(geometry, batch);
    return this.buffer.read(
      rangeOfRun(geometry, run),
      (unit) => isSoundUnit(units, unit),
      () => missingOf(state, batch),
      (bytes, missing) => use(codec, { frameCount: run.count, frameBytes, bytes }, missing),
    );
  }
}

interface Shape {
  readonly frameCount: number;
  readonly frameBytes: number;
  readonly bytes: Uint8Array;
}

/** Counted from the batch's first frame. */
function missingOf({ geometry, units }: ReceiverState, batch: number): number[] {
  const { first, count } = framesOfBatch(geometry, batch);
  const missing: number[] = [];
  for (let frame = 0; frame < count; frame++) {
    if (!units.frames.has(first + frame)) missing.push(frame);
  }
  return missing;
}
