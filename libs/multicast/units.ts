import { type FrameRun, FrameSet } from './frame-set.js';
import {
  framesOfUnit,
  type Geometry,
  rangeOfRun,
  unitRange,
  unitsOfFrame,
  unitsOfRange,
} from './geometry.js';
import type { ByteRange } from './session.js';

/** Where a unit stands: frames missing; whole, the head is not; whole, being verified; sound. */
const collecting = 0;
const waiting = 1;
const verifying = 2;
const sound = 3;

/** What a receiver holds of a container. Changes in place, like the frame set in it. */
export interface Units {
  /** Frames whose bytes are there, verified or not. */
  readonly frames: FrameSet;
  readonly standing: Uint8Array;
  /** Frames still missing, per unit. */
  readonly missing: Uint32Array;
  readonly count: { sound: number; bad: number };
}

/** Bytes of frames that belong to one unit. */
export interface Piece {
  readonly unit: number;
  /** In the container. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export function emptyUnits(geometry: Geometry): Units {
  const missing = new Uint32Array(geometry.unitCount);
  for (let unit = 0; unit < geometry.unitCount; unit++) missing[unit] = span(geometry, unit);
  return {
    frames: new FrameSet(geometry.frameCount),
    standing: new Uint8Array(geometry.unitCount),
    missing,
    count: { sound: 0, bad: 0 },
  };
}

function span(geometry: Geometry, unit: number): number {
  const { first, last } = framesOfUnit(geometry, unit);
  return last - first + 1;
}

export function allSound(units: Units): boolean {
  return units.count.sound === units.standing.length;
}

/** Whether frames of the head are missing, without which nothing can be verified. */
export function lacksHead(units: Units): boolean {
  return (units.missing[0] ?? 0) > 0;
}

export function isSoundUnit(units: Units, unit: number): boolean {
  return units.standing[unit] === sound;
}

/** Marks units that lie in `held` as sound, and the frames that carry nothing else as there. */
export function holdRanges(geometry: Geometry, units: Units, held: readonly ByteRange[]): void {
  for (let unit = 0; unit < geometry.unitCount; unit++) {
    const range = unitRange(geometry, unit);
    const isHeld = held.some(
      ({ offset, length }) =>
        offset <= range.offset && range.offset + range.length <= offset + length,
    );
    if (isHeld) settle(units, unit);
  }
  for (let unit = 0; unit < geometry.unitCount; unit++) {
    if (units.standing[unit] !== sound) continue;
    const { first, last } = framesOfUnit(geometry, unit);
    for (const frame of new Set([first, last])) addIfSettled(geometry, units, frame);
    units.frames.addRun({ first: first + 1, count: last - first - 1 });
  }
}

function settle(units: Units, unit: number): void {
  units.standing[unit] = sound;
  units.missing[unit] = 0;
  units.count.sound++;
}

function addIfSettled(geometry: Geometry, units: Units, frame: number): void {
  const { first, last } = unitsOfFrame(geometry, frame);
  for (let unit = first; unit <= last; unit++) if (units.standing[unit] !== sound) return;
  units.frames.add(frame);
}

/**
 * Takes frames in that follow each other. Only units with frames missing take bytes: what is
 * verified stays as it is.
 */
export function takeFrames(
  geometry: Geometry,
  units: Units,
  run: FrameRun,
  content: Uint8Array,
): { readonly pieces: readonly Piece[]; readonly toVerify: readonly number[] } {
  const pieces: Piece[] = [];
  const toVerify: number[] = [];
  const start = run.first * geometry.frameBytes;
  for (const news of units.frames.gaps(run.count, run.first, run.first + run.count)) {
    units.frames.addRun(news);
    const range = rangeOfRun(geometry, news);
    const { first, last } = unitsOfRange(geometry, range);
    for (let unit = first; unit <= last; unit++) {
      if (units.standing[unit] !== collecting) continue;
      const { offset, length } = overlap(range, unitRange(geometry, unit));
      const bytes = content.subarray(offset - start, offset - start + length);
      pieces.push({ unit, offset, bytes });
      const here = framesOfUnit(geometry, unit);
      const until = Math.min(here.last + 1, news.first + news.count);
      const count = until - Math.max(here.first, news.first);
      const missing = (units.missing[unit] ?? count) - count;
      units.missing[unit] = missing;
      if (missing === 0 && isDue(units, unit)) toVerify.push(unit);
    }
  }
  return { pieces, toVerify };
}

function overlap(one: ByteRange, other: ByteRange): ByteRange {
  const offset = Math.max(one.offset, other.offset);
  const end = Math.min(one.offset + one.length, other.offset + other.length);
  return { offset, length: end - offset };
}

/** A whole unit: verified at once, except that no block can be before the head is sound. */
function isDue(units: Units, unit: number): boolean {
  const isPossible = unit === 0 || units.standing[0] === sound;
  units.standing[unit] = isPossible ? verifying : waiting;
  return isPossible;
}

/** Takes a verdict in. @returns units that can be verified now */
export function takeVerdict(
  geometry: Geometry,
  units: Units,
  unit: number,
  isSound: boolean,
): number[] {
  if (units.standing[unit] !== verifying) return [];
  if (!isSound) {
    reopen(geometry, units, unit);
    return [];
  }
  settle(units, unit);
  if (unit !== 0) return [];
  const due: number[] = [];
  for (let other = 1; other < geometry.unitCount; other++) {
    if (units.standing[other] === waiting && isDue(units, other)) due.push(other);
  }
  return due;
}

/** All frames of a bad unit are missing again, also for open neighbours that share one. */
function reopen(geometry: Geometry, units: Units, unit: number): void {
  const { first, last } = framesOfUnit(geometry, unit);
  units.count.bad++;
  units.standing[unit] = collecting;
  units.missing[unit] = last - first + 1;
  for (let frame = first; frame <= last; frame++) {
    if (!units.frames.remove(frame)) continue;
    const shared = unitsOfFrame(geometry, frame);
    for (let other = shared.first; other <= shared.last; other++) {
      if (other === unit || units.standing[other] !== collecting) continue;
      units.missing[other] = (units.missing[other] ?? 0) + 1;
    }
  }
}
