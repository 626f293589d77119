import type { TakeMemory } from '#libs/native/work-memory.js';
import { BlockIndex, blockBytes } from './block-index.js';
import { EqualStretch, stretchBytes } from './equal-stretch.js';

/**
 * Copies `copyLength` bytes of the base from `copyOffset`, changed by what the difference says,
 * then takes `literalLength` bytes that the base has not.
 */
export interface DifferenceOperation {
  readonly copyOffset: number;
  readonly copyLength: number;
  readonly literalLength: number;
}

export interface DifferenceMeans {
  /** Called now and then; what it gives is awaited. */
  pause(): Promise<void> | undefined;
  /** For the table of the base's blocks, which is done with at the end. */
  readonly take: TakeMemory;
}

/** Bytes that are looked at between two turns of the event loop: a few milliseconds. */
const turnBytes = 1_048_576;
/** An alignment goes on as long as this many of `windowBytes` bytes are equal. */
const equalBytes = 20;
const windowBytes = 32;
/** Another alignment must be better by this many bytes: changing it costs an operation. */
const worthBytes = 8;
const pieceBytes = 262_144;

/**
 * Aligns `wanted` with `base` as bsdiff does, so that programs that were compiled again differ in
 * few bytes; matches are found by blocks instead of a suffix array, in a small part of the time.
 */
export async function differenceOperations(
  base: Uint8Array,
  wanted: Uint8Array,
  means: DifferenceMeans,
): Promise<DifferenceOperation[]> {
  const operations = await cheapDifference(base, wanted, means, Number.POSITIVE_INFINITY);
  return operations as DifferenceOperation[];
}

/**
 * The same, unless the two have so little in common that other ways to encode are better.
 * @param mostSearches places of `wanted` that are looked up in `base` before it gives up
 * @returns undefined when it gave up
 */
export async function cheapDifference(
  base: Uint8Array,
  wanted: Uint8Array,
  { pause, take }: DifferenceMeans,
  mostSearches: number,
): Promise<DifferenceOperation[] | undefined> {
  const index = new BlockIndex(base, take);
  for (let at = 0; at < base.length; at += turnBytes) {
    index.learn(at, at + turnBytes);
    await pause();
  }
  const aligner = new Aligner(base, wanted, index);
  for (let at = 0; at < wanted.length; at += turnBytes) {
    aligner.advance(at + turnBytes, mostSearches);
    if (aligner.searches > mostSearches) return undefined;
    await pause();
  }
  return aligner.finish();
}

/**
 * What the operations need besides the base, all of it.
 * @param target cleared memory, as long as `wanted`
 * @returns at how many places copied bytes change
 */
export function writeDifference(
  base: Uint8Array,
  wanted: Uint8Array,
  operations: readonly DifferenceOperation[],
  target: Uint8Array,
): number {
  const stretch = new EqualStretch(wanted, base);
  let changes = 0;
  let at = 0;
  for (const { copyOffset, copyLength, literalLength } of operations) {
    const end = at + copyLength;
    const shift = copyOffset - at;
    let previous = 0;
    while (at < end) {
      const equal = stretch.length(at, at + shift, end);
      if (equal > 0) previous = 0;
      at += equal;
      for (const until = Math.min(end, at + stretchBytes); at < until; at++) {
        const change = (wanted[at] as number) - (base[at + shift] as number);
        if (change === 0) previous = 0;
        else {
          target[at] = change;
          if (previous === 0) changes++;
          previous = change;
        }
      }
    }
    target.set(wanted.subarray(at, at + literalLength), at);
    at += literalLength;
  }
  return changes;
}

/** The same in pieces: for copied bytes the difference, then literals. */
export function* differenceBytes(
  base: Uint8Array,
  wanted: Uint8Array,
  operations: readonly DifferenceOperation[],
): Generator<Uint8Array, void, undefined> {
  const piece = new Uint8Array(Math.min(pieceBytes, wanted.length));
  let filled = 0;
  let at = 0;
  for (const { copyOffset, copyLength, literalLength } of operations) {
    const end = at + copyLength + literalLength;
    for (let from = at; at < end; ) {
      const count = Math.min(end - at, piece.length - filled);
      const copied = Math.max(0, Math.min(count, from + copyLength - at));
      subtract(wanted, at, base, copyOffset + at - from, piece, filled, copied);
      piece.set(wanted.subarray(at + copied, at + count), filled + copied);
      at += count;
      filled += count;
      if (filled < piece.length) continue;
      yield piece.slice();
      filled = 0;
    }
  }
  if (filled > 0) yield piece.slice(0, filled);
}

function subtract(
  wanted: Uint8Array,
  wantedAt: number,
  base: Uint8Array,
  baseAt: number,
  result: Uint8Array,
  resultAt: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    result[resultAt + i] = (wanted[wantedAt + i] as number) - (base[baseAt + i] as number);
  }
}

/** Walks along `wanted` and finds, for each stretch, the place of the base it is most like. */
class Aligner {
  private readonly operations: DifferenceOperation[] = [];
  /** Where the current alignment was found, in both files; it may begin before. */
  private wantedAt = 0;
  private baseAt = 0;
  private at = 0;
  searches = 0;
  private readonly equal: EqualStretch;

  constructor(
    private readonly base: Uint8Array,
    private readonly wanted: Uint8Array,
    private readonly index: BlockIndex,
  ) {
    this.equal = new EqualStretch(wanted, base);
  }

  advance(until: number, mostSearches: number): void {
    const end = Math.min(until, this.wanted.length - blockBytes + 1);
    while (this.at < end && this.searches <= mostSearches) {
      const { at } = this;
      if (!this.isAligned()) this.look();
      else
        this.at +=
          windowBytes + this.equal.length(at + windowBytes, this.baseOf(at) + windowBytes, end);
    }
  }

  finish(): DifferenceOperation[] {
    this.close(this.wanted.length, 0);
    return this.operations;
  }

  /** Where a place of `wanted` is in `base` as things are aligned now. */
  private baseOf(at: number): number {
    return at + this.baseAt - this.wantedAt;
  }

  private isAligned(): boolean {
    const { base, wanted, at } = this;
    const baseAt = this.baseOf(at);
    if (at + windowBytes > wanted.length || baseAt + windowBytes > base.length) return false;
    return equalIn(wanted, at, base, baseAt, windowBytes) >= equalBytes;
  }

  /** Takes another alignment if there is a better one here, else goes on by one byte. */
  private look(): void {
    const { base, wanted, at } = this;
    this.searches += 1;
    const found = this.index.find(wanted, at);
    const current = this.baseOf(at);
    if (found >= 0 && found !== current) {
      const length = equalRun(wanted, at, base, found);
      const already = equalIn(wanted, at, base, current, length);
      if (length >= blockBytes && length > already + worthBytes) {
        this.close(at, found);
        this.at += length;
        return;
      }
    }
    this.at += 1;
  }

  /** Ends the current alignment; the next one was found at `at` and `found`. */
  private close(at: number, found: number): void {
    const { base, wanted, wantedAt, baseAt } = this;
    let forward = bestForward(wanted, wantedAt, base, baseAt, at);
    let backward = at < wanted.length ? bestBackward(wanted, at, base, found, wantedAt) : 0;
    const overlap = wantedAt + forward - (at - backward);
    if (overlap > 0) {
      const kept = bestSplit(wanted, at - backward, base, [
        baseAt + forward - overlap,
        found - backward,
        overlap,
      ]);
      forward += kept - overlap;
      backward -= kept;
    }
    const literalLength = at - backward - (wantedAt + forward);
    if (forward + literalLength > 0) {
      this.operations.push({ copyOffset: baseAt, copyLength: forward, literalLength });
    }
    this.wantedAt = at - backward;
    this.baseAt = found - backward;
  }
}

/** How many of `count` bytes are equal; bytes outside of `b` are not. */
function equalIn(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, count: number): number {
  let equal = 0;
  for (let i = 0; i < count; i++) if (a[aAt + i] === b[bAt + i]) equal++;
  return equal;
}

function equalRun(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): number {
  const most = Math.min(a.length - aAt, b.length - bAt);
  let length = 0;
  while (length < most && a[aAt + length] === b[bAt + length]) length++;
  return length;
}

/** The length, up to `end`, at which equal bytes outnumber others the most. */
function bestForward(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, end: number): number {
  const most = Math.min(end - aAt, b.length - bAt);
  let [score, best, bestLength] = [0, 0, 0];
  for (let i = 0; i < most; i++) {
    score += a[aAt + i] === b[bAt + i] ? 1 : -1;
    if (score > best) [best, bestLength] = [score, i + 1];
  }
  return bestLength;
}

/** The same backwards, down to `start`. */
function bestBackward(
  a: Uint8Array,
  aAt: number,
  b: Uint8Array,
  bAt: number,
  start: number,
): number {
  const most = Math.min(aAt - start, bAt);
  let [score, best, bestLength] = [0, 0, 0];
  for (let i = 1; i <= most; i++) {
    score += a[aAt - i] === b[bAt - i] ? 1 : -1;
    if (score > best) [best, bestLength] = [score, i];
  }
  return bestLength;
}

/** How much of an overlap the first of two alignments should keep. */
function bestSplit(
  wanted: Uint8Array,
  at: number,
  base: Uint8Array,
  [first, second, count]: readonly [first: number, second: number, count: number],
): number {
  let [score, best, kept] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    if (wanted[at + i] === base[first + i]) score++;
    if (wanted[at + i] === base[second + i]) score--;
    if (score > best) [best, kept] = [score, i + 1];
  }
  return kept;
}
