import type { DataFrames } from '#libs/multicast/data-frame.js';
import { type DataDropReason, FrameChecker } from '#libs/multicast/frame-checker.js';
import { FrameTagger } from '#libs/multicast/frame-tagger.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';

export interface FuzzedData {
  readonly datagrams: number;
  /** Frames that were taken though nobody sent them so; must be 0. */
  readonly heard: number;
  readonly dropped: Readonly<Record<DataDropReason, number>>;
}

const frameBytes = 256;
const corpusSize = 64;

/**
 * Throws datagrams at a member that nobody sent so: noise, cuts, mutations and splices of sound
 * frames, and frames made with another key.
 * @throws whatever the checker throws: it must not throw
 */
export function fuzzDataFrames({ count, seed }: { count: number; seed: number }): FuzzedData {
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const noise = (length: number) => Buffer.from(Array.from({ length }, () => below(256)));
  const key = { epoch: 1, key: noise(32) };
  const checker = new FrameChecker('lan', key);
  const corpus = corpusOf(new FrameTagger('lan', key), noise);
  const foreign = corpusOf(new FrameTagger('lan', { ...key, key: noise(32) }), noise);
  const pick = (from: readonly Buffer[]) => Buffer.from(from[below(corpusSize)] ?? []);
  const changed = (frame: Buffer) => {
    const at = below(frame.length);
    frame[at] = ((frame[at] ?? 0) + 1 + below(255)) % 256;
    return frame;
  };
  const kinds: (() => Buffer)[] = [
    () => noise(below(400)),
    () => changed(pick(corpus)),
    () => pick(corpus).subarray(0, below(300)),
    () => Buffer.concat([pick(corpus).subarray(0, 64), noise(frameBytes)]),
    () => Buffer.concat([changed(pick(corpus)), changed(pick(corpus))]),
    () => pick(foreign),
    () => Buffer.concat([pick(corpus), noise(1 + below(600))]).subarray(64),
  ];
  let heard = 0;
  for (let n = 0; n < count; n++) {
    checker.open(kinds[below(kinds.length)]?.() ?? Buffer.alloc(0), () => heard++);
  }
  return { datagrams: count, heard, dropped: checker.dropped };
}

function corpusOf(tagger: FrameTagger, noise: (length: number) => Buffer): Buffer[] {
  return Array.from({ length: corpusSize }, (_, number) => {
    const content = noise(frameBytes);
    const frames: DataFrames = {
      session: 'aa'.repeat(8),
      number,
      count: 1,
      pass: 1,
      repair: 0,
      content,
    };
    return Buffer.from(tagger.train(frames, frameBytes, 0, 1));
  });
}
