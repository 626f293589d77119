/** Fewer are gone through one by one: looking at words costs more. */
const fewBytes = 64;
const lowBits = 0x7f7f7f7f;
const highBits = 0x80808080;

/** Bytes, and the aligned words that they are made of: a view for each use costs more than it. */
export class Words {
  readonly words: Int32Array;
  /** Of the first byte within the words' memory. */
  readonly start: number;

  constructor(readonly bytes: Uint8Array) {
    this.start = bytes.byteOffset % 4;
    const from = bytes.byteOffset - this.start;
    this.words = new Int32Array(bytes.buffer, from, (this.start + bytes.length) >> 2);
  }
}

/**
 * Adds `count` bytes of a difference, from `from` on, to those of `target` at `targetAt`, each
 * modulo 256. A difference is mostly zeros, which are passed over. Where both are aligned alike,
 * four bytes are added at once: without their highest bits, so that none carries into the next.
 */
export function addBytes(
  target: Words,
  targetAt: number,
  difference: Words,
  from: number,
  count: number,
): void {
  const place = difference.start + from;
  const distance = target.start + targetAt - place;
  if (count < fewBytes || distance % 4 !== 0) {
    addOneByOne(target, targetAt, difference, from, count);
    return;
  }
  const head = (4 - (place % 4)) % 4;
  const first = (place + head) >> 2;
  const last = (place + count) >> 2;
  addOneByOne(target, targetAt, difference, from, head);
  addWords(target.words, distance / 4, difference.words, first, last);
  const done = 4 * last - place;
  addOneByOne(target, targetAt + done, difference, from + done, count - done);
}

function addWords(
  target: Int32Array,
  distance: number,
  difference: Int32Array,
  first: number,
  last: number,
): void {
  for (let at = first; at < last; at++) {
    const change = difference[at] as number;
    if (change === 0) continue;
    const word = target[at + distance] as number;
    const sum = (word & lowBits) + (change & lowBits);
    target[at + distance] = sum ^ ((word ^ change) & highBits);
  }
}

function addOneByOne(
  { bytes: target }: Words,
  targetAt: number,
  { bytes: difference }: Words,
  from: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const byte = difference[from + i] as number;
    if (byte !== 0) target[targetAt + i] = (target[targetAt + i] as number) + byte;
  }
}
