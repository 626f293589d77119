import type { FrameRun } from './frame-set.js';
import { type ByteRange, blockBytes } from './session.js';

/** Thrown for an announcement whose numbers cannot be. */
export class ImpossibleSession extends Error {
  override readonly name = 'ImpossibleSession';
}

/**
 * How a container is cut: into frames for the network, and into units for verification. Unit 0 is
 * the head, unit n is block n - 1; the borders of frames and units do not meet, except by chance.
 */
export interface Geometry {
  readonly containerBytes: number;
  readonly headBytes: number;
  readonly frameBytes: number;
  readonly frameCount: number;
  readonly unitCount: number;
  /** Frames that are repaired together: those of about four blocks; the last batch has fewer. */
  readonly batchFrames: number;
  readonly batchCount: number;
}

/** A run of frame sequences or units, both ends included. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** An assignment container is at most 4 GiB of data and what describes it. */
export const maxContainerBytes = 5 * 2 ** 30;
const minFrameBytes = 64;
const maxFrameBytes = 60_000;
const blocksPerBatch = 4;
const maxBatchFrames = 256;

/** @throws ImpossibleSession */
export function geometryOf(
  containerBytes: number,
  headBytes: number,
  frameBytes: number,
): Geometry {
  if (!(headBytes >= 1 && headBytes <= containerBytes && containerBytes <= maxContainerBytes)) {
    throw new ImpossibleSession(
      `a container of ${containerBytes} bytes cannot have a head of ${headBytes} bytes`,
    );
  }
  if (!(frameBytes >= minFrameBytes && frameBytes <= maxFrameBytes)) {
    throw new ImpossibleSession(
      `frames of ${frameBytes} bytes are not within ${minFrameBytes} to ${maxFrameBytes}`,
    );
  }
  const frameCount = Math.ceil(containerBytes / frameBytes);
  const wholeFrames = Math.floor((blocksPerBatch * blockBytes) / frameBytes);
  const batchFrames = Math.min(maxBatchFrames, Math.max(1, wholeFrames));
  return {
    containerBytes,
    headBytes,
    frameBytes,
    frameCount,
    unitCount: 1 + Math.ceil((containerBytes - headBytes) / blockBytes),
    batchFrames,
    batchCount: Math.ceil(frameCount / batchFrames),
  };
}

export function frameRange(geometry: Geometry, sequence: number): ByteRange {
  const offset = sequence * geometry.frameBytes;
  return { offset, length: Math.min(geometry.frameBytes, geometry.containerBytes - offset) };
}

/** The frames of a batch. */
export function framesOfBatch(geometry: Geometry, batch: number): FrameRun {
  const first = batch * geometry.batchFrames;
  return { first, count: Math.min(geometry.batchFrames, geometry.frameCount - first) };
}

/** Bytes of the container that a run of frames carries. */
export function rangeOfRun(geometry: Geometry, { first, count }: FrameRun): ByteRange {
  const offset = first * geometry.frameBytes;
  const length = Math.min(count * geometry.frameBytes, geometry.containerBytes - offset);
  return { offset, length };
}

export function unitRange(geometry: Geometry, unit: number): ByteRange {
  if (unit === 0) return { offset: 0, length: geometry.headBytes };
  const offset = geometry.headBytes + (unit - 1) * blockBytes;
  return { offset, length: Math.min(blockBytes, geometry.containerBytes - offset) };
}

/** The frames that carry bytes of a unit. */
export function framesOfUnit(geometry: Geometry, unit: number): Span {
  const { offset, length } = unitRange(geometry, unit);
  return {
    first: Math.floor(offset / geometry.frameBytes),
    last: Math.floor((offset + length - 1) / geometry.frameBytes),
  };
}

/** The units that a frame carries bytes of. */
export function unitsOfFrame(geometry: Geometry, sequence: number): Span {
  return unitsOfRange(geometry, frameRange(geometry, sequence));
}

export function unitsOfRange(geometry: Geometry, { offset, length }: ByteRange): Span {
  return { first: unitAt(geometry, offset), last: unitAt(geometry, offset + length - 1) };
}

function unitAt({ headBytes }: Geometry, offset: number): number {
  return offset < headBytes ? 0 : 1 + Math.floor((offset - headBytes) / blockBytes);
}
