import type { ByteRange } from '#libs/content-store/content-store.js';
import type { TakeMemory } from '#libs/native/work-memory.js';

/** A file that can be read anywhere. */
export interface RandomAccess {
  readonly sizeBytes: number;
  /** All `length` bytes; the range is inside of the file. Memory is taken where it is needed. */
  read(offset: number, length: number, take?: TakeMemory): Promise<Uint8Array>;
}

/** A stretch of the wanted file, and the part of the base that it is most like. */
export interface Segment {
  readonly wanted: ByteRange;
  readonly base: ByteRange;
}

export interface SegmentSizes {
  readonly segmentBytes: number;
  /** Of the base before and after the place where a segment is found. */
  readonly marginBytes: number;
}

/** The blocks that tell where content has gone: one in each of these strides of the base. */
const anchorBytes = 48;
const strideBytes = 4096;
/** Places of a segment at which anchors are looked for. */
const samples = 16;
const readBytes = 1_048_576;
const multiplier = 0x01000193;

/**
 * Cuts a file into segments and finds for each the part of the base to patch it from. Content may
 * have moved by any distance: it is found by anchors, blocks of the base that are looked for in
 * samples of the segment.
 */
export async function* planSegments(
  base: RandomAccess,
  wanted: RandomAccess,
  { segmentBytes, marginBytes }: SegmentSizes,
): AsyncGenerator<Segment, void, undefined> {
  const anchors = await learnAnchors(base);
  let shift = 0;
  for (let offset = 0; offset < wanted.sizeBytes; offset += segmentBytes) {
    const length = Math.min(segmentBytes, wanted.sizeBytes - offset);
    const shifts = await shiftsOf(wanted, { offset, length }, anchors);
    shift = mostFrequent(shifts) ?? shift;
    const near = shifts.filter((other) => Math.abs(other - shift) <= marginBytes);
    const from = offset + Math.min(shift, ...near) - marginBytes;
    const to = offset + length + Math.max(shift, ...near) + marginBytes;
    yield { wanted: { offset, length }, base: within(from, to, base.sizeBytes) };
  }
}

function within(from: number, to: number, sizeBytes: number): ByteRange {
  const offset = Math.min(Math.max(0, from), sizeBytes);
  return { offset, length: Math.max(0, Math.min(to, sizeBytes) - offset) };
}

/** Where the anchor with a given hash is: two tables of one slot per hash. */
interface Anchors {
  readonly mask: number;
  readonly hashes: Int32Array;
  /** In strides, plus one; 0: the slot is free. */
  readonly places: Int32Array;
}

async function learnAnchors(base: RandomAccess): Promise<Anchors> {
  const count = Math.ceil(base.sizeBytes / strideBytes);
  const slots = 2 ** Math.ceil(Math.log2(Math.max(1024, count * 2)));
  const anchors: Anchors = {
    mask: slots - 1,
    hashes: new Int32Array(slots),
    places: new Int32Array(slots),
  };
  for (let offset = 0; offset < base.sizeBytes; offset += readBytes) {
    const piece = await base.read(offset, Math.min(readBytes, base.sizeBytes - offset));
    for (let at = 0; at + anchorBytes <= piece.length; at += strideBytes) {
      const hash = hashOf(piece, at);
      const slot = mixed(hash) & anchors.mask;
      if (anchors.places[slot] !== 0) continue;
      anchors.hashes[slot] = hash;
      anchors.places[slot] = (offset + at) / strideBytes + 1;
    }
  }
  return anchors;
}

/** By how much the anchors that were found in a segment have moved, one number for each. */
async function shiftsOf(
  wanted: RandomAccess,
  { offset, length }: ByteRange,
  anchors: Anchors,
): Promise<number[]> {
  const shifts: number[] = [];
  const sampleBytes = Math.min(length, strideBytes + anchorBytes);
  const count = Math.min(samples, Math.ceil(length / sampleBytes));
  for (let sample = 0; sample < count; sample++) {
    const at = offset + Math.floor(((length - sampleBytes) * sample) / Math.max(1, count - 1));
    const place = anchorIn(await wanted.read(at, sampleBytes), anchors);
    if (place) shifts.push(place.base - (at + place.wanted));
  }
  return shifts;
}

function anchorIn(
  bytes: Uint8Array,
  { mask, hashes, places }: Anchors,
): { base: number; wanted: number } | undefined {
  let leaving = 1;
  for (let byte = 1; byte < anchorBytes; byte++) leaving = Math.imul(leaving, multiplier);
  if (bytes.length < anchorBytes) return undefined;
  let hash = hashOf(bytes, 0);
  for (let at = 0; ; at++) {
    const slot = mixed(hash) & mask;
    const place = places[slot] as number;
    if (place !== 0 && hashes[slot] === hash) {
      return { base: (place - 1) * strideBytes, wanted: at };
    }
    if (at + anchorBytes >= bytes.length) return undefined;
    hash = Math.imul(hash - Math.imul(bytes[at] as number, leaving), multiplier);
    hash = (hash + (bytes[at + anchorBytes] as number)) | 0;
  }
}

function mostFrequent(numbers: readonly number[]): number | undefined {
  const counts = new Map<number, number>();
  for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}

function hashOf(bytes: Uint8Array, at: number): number {
  let hash = 0;
  for (let byte = at; byte < at + anchorBytes; byte++) {
    hash = (Math.imul(hash, multiplier) + (bytes[byte] as number)) | 0;
  }
  return hash;
}

function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return once ^ (once >>> 13);
}
