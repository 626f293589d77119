import type { Random } from '#libs/clock/clock.js';
import type { DropReason } from '#libs/multicast/sealed-frame.js';
import { noDrops } from '#libs/multicast/sealed-frame.js';
import { ControlEnd } from '#libs/testkit/control-frames.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';

export interface Fuzzed {
  readonly frames: number;
  /** Frames that were taken for a fresh word of a member; must be 0. */
  readonly heard: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

/**
 * Throws frames at one end of a control channel that nobody there sent: noise, mutations, splices
 * and cuts of real ones, sealed garbage of a member, and replays. All sources are different, so
 * that none is held up by the limit for strangers.
 * @throws whatever the end throws: it must not throw
 */
export function fuzzFrames({ count, seed }: { count: number; seed: number }): Fuzzed {
  const random = seededRandom(seed);
  const clock = { nowMs: 1_000_000 };
  const victim = new ControlEnd('victim', clock);
  const member = new ControlEnd('member', clock);
  const corpus = Array.from({ length: 64 }, () => member.say());
  for (const frame of corpus) victim.hear(frame);
  const dropped = noDrops();
  let heard = 0;
  for (let n = 0; n < count; n++) {
    clock.nowMs += 1;
    const verdict = victim.hear(frameOf(random, corpus, member), `10.0.0.${n}`);
    if ('dropped' in verdict) dropped[verdict.dropped]++;
    else heard++;
  }
  return { frames: count, heard, dropped };
}

function frameOf(random: Random, corpus: readonly Buffer[], member: ControlEnd): Buffer {
  const below = (limit: number) => Math.floor(random() * limit);
  const noise = (length: number) => Buffer.from(Array.from({ length }, () => below(256)));
  const pick = () => Buffer.from(corpus[below(corpus.length)] ?? []);
  const kinds: (() => Buffer)[] = [
    () => noise(below(1_500)),
    () => Buffer.concat([pick().subarray(0, 40), noise(below(400))]),
    () => pick().subarray(0, below(400)),
    () => mutated(pick(), 1 + below(8), below),
    () => Buffer.concat([pick().subarray(0, below(200)), pick().subarray(below(200))]),
    () => withNumber(mutated(pick(), 1, below), below),
    () => member.sealer.seal(1, noise(below(300))),
    pick,
  ];
  return kinds[below(kinds.length)]?.() ?? Buffer.alloc(0);
}

function mutated(frame: Buffer, times: number, below: (limit: number) => number): Buffer {
  for (let n = 0; n < times; n++) {
    const at = below(frame.length);
    // Never the same byte, so that a mutation is one.
    frame[at] = ((frame[at] ?? 0) + 1 + below(255)) % 256;
  }
  return frame;
}

/** With another sequence number: it passes the replay window. */
function withNumber(frame: Buffer, below: (limit: number) => number): Buffer {
  frame.writeBigUInt64BE(BigInt(1_000 + below(1_000_000)), 32);
  return frame;
}
