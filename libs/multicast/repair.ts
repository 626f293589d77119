import { framesOfBatch, framesOfUnit, type Geometry } from './geometry.js';
import type { ParityFrame } from './kernels/parity.js';
import type { Units } from './units.js';

/** Repair frames that wait until there are enough. Changes in place, like the units. */
export interface Repair {
  readonly stash: Map<number, Map<number, ParityFrame>>;
  /** Batches that are being mended. */
  readonly mending: Set<number>;
  /** How many repair frames were not enough for a batch, by bad luck. */
  readonly insufficient: Map<number, number>;
  /** Batches that had false bytes in them, which might spoil what is mended. */
  readonly distrusted: Set<number>;
  stashedBytes: number;
}

/** Memory that repair frames of one session may take. What comes beyond is lost. */
const stashLimitBytes = 32 * 2 ** 20;

export function emptyRepair(): Repair {
  return {
    stash: new Map(),
    mending: new Set(),
    insufficient: new Map(),
    distrusted: new Set(),
    stashedBytes: 0,
  };
}

/** Keeps a copy of a repair frame of use. */
export function stashParity(
  geometry: Geometry,
  units: Units,
  repair: Repair,
  batch: number,
  parity: ParityFrame,
): void {
  if (
    repair.distrusted.has(batch) ||
    batch >= geometry.batchCount ||
    parity.content.length !== geometry.frameBytes
  )
    return;
  if (units.frames.countMissing(framesOfBatch(geometry, batch)) === 0) return;
  if (repair.stashedBytes + parity.content.length > stashLimitBytes) return;
  const frames = repair.stash.get(batch) ?? new Map<number, ParityFrame>();
  if (frames.has(parity.index)) return;
  frames.set(parity.index, { ...parity, content: Uint8Array.from(parity.content) });
  repair.stash.set(batch, frames);
  repair.stashedBytes += parity.content.length;
}

/** Whether a batch can be mended now. A batch that has become whole gives its memory back. */
export function isMendable(
  geometry: Geometry,
  units: Units,
  repair: Repair,
  batch: number,
): boolean {
  const held = repair.stash.get(batch)?.size ?? 0;
  if (held === 0 || repair.mending.has(batch)) return false;
  const missing = units.frames.countMissing(framesOfBatch(geometry, batch));
  if (missing === 0) forget(repair, batch);
  return missing > 0 && held >= missing && held > (repair.insufficient.get(batch) ?? 0);
}

/** After a unit was found bad. */
export function distrust(geometry: Geometry, repair: Repair, unit: number): void {
  const { first, last } = framesOfUnit(geometry, unit);
  const firstBatch = Math.floor(first / geometry.batchFrames);
  for (let batch = firstBatch; batch * geometry.batchFrames <= last; batch++) {
    repair.distrusted.add(batch);
    forget(repair, batch);
  }
}

export function forget(repair: Repair, batch: number): void {
  for (const { content } of repair.stash.get(batch)?.values() ?? []) {
    repair.stashedBytes -= content.length;
  }
  repair.stash.delete(batch);
  repair.insufficient.delete(batch);
}

/** Frames, of any kind, that a batch needs still. */
export function neededOf(geometry: Geometry, units: Units, repair: Repair, batch: number): number {
  if (repair.mending.has(batch)) return 0;
  const missing = units.frames.countMissing(framesOfBatch(geometry, batch));
  if (missing === 0) return 0;
  if (repair.distrusted.has(batch)) return framesOfBatch(geometry, batch).count;
  return Math.max(1, missing - (repair.stash.get(batch)?.size ?? 0));
}
