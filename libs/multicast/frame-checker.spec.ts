import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { retireAfterMs, SegmentKeyRing } from '#libs/keys/segment-key-ring.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import type { DataFrames } from './data-frame.js';
import { FrameChecker } from './frame-checker.js';
import { FrameTagger } from './frame-tagger.js';

const frameBytes = 1_424;
const segmentKey = { epoch: 3, key: Buffer.alloc(32, 7) };
const content = randomBytes(10 * frameBytes + 5);
const frames: DataFrames = {
  ...{ session: '010203040506', number: 40, count: 11, pass: 2, repair: 0 },
  content,
};

/** What a checker takes of datagrams, copied. */
function taken(checker: FrameChecker, ...datagrams: readonly Uint8Array[]): DataFrames[] {
  const runs: DataFrames[] = [];
  for (const datagram of datagrams) {
    checker.open(datagram, (run) => runs.push({ ...run, content: Buffer.from(run.content) }));
  }
  return runs;
}

const leader = () => new FrameTagger('lan', segmentKey);
const member = () => new FrameChecker('lan', segmentKey);
const trainOf = (tagger: FrameTagger, from = 0, count = 11) =>
  Buffer.from(tagger.train(frames, frameBytes, from, count));

describe('frames with a tag', () => {
  test('that the kernel has joined come out as one run', () => {
    const [run, ...others] = taken(member(), trainOf(leader()));
    expect(others).toEqual([]);
    expect(run).toMatchObject({ session: frames.session, number: 40, count: 11, pass: 2 });
    expect(content.equals(run?.content ?? new Uint8Array())).toBe(true);
  });

  test('come out the same one by one, in two trains and in any order', () => {
    const tagger = leader();
    const single = Array.from({ length: 11 }, (_, at) => trainOf(tagger, at, 1));
    const runs = taken(member(), ...single.reverse());
    expect(runs.map(({ number }) => number)).toEqual([50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40]);
    const [first, second] = taken(member(), trainOf(tagger, 0, 4), trainOf(tagger, 4, 7));
    expect([first?.number, first?.count, second?.number, second?.count]).toEqual([40, 4, 44, 7]);
  });

  test('around one that was changed on the way are taken, that one is not', () => {
    const [checker, train] = [member(), trainOf(leader())];
    const at = 5 * (frameBytes + 48) + 300;
    train[at] = (train[at] ?? 0) ^ 1;
    expect(taken(checker, train).map(({ number, count }) => [number, count])).toEqual([
      [40, 5],
      [46, 5],
    ]);
    expect(checker.dropped.forged).toBe(1);
  });

  test('that are read together with noise between them come out as one run', () => {
    const [checker, tagger] = [member(), leader()];
    const noise = [0, 7, 70, 3_001].map((bytes) => Buffer.alloc(bytes, 0xa5));
    const trains = [trainOf(tagger, 0, 3), trainOf(tagger, 3, 1), trainOf(tagger, 4, 7)];
    const waiting = [...noise, ...trains.flatMap((train) => [train, ...noise])];
    const runs: DataFrames[] = [];
    const receive = (room: Uint8Array) => {
      const datagram = waiting.shift();
      if (datagram) room.set(datagram);
      return datagram?.length ?? -1;
    };
    const count = checker.openAll(receive, (run) => {
      runs.push({ ...run, content: Buffer.from(run.content) });
    });
    expect(count).toBe(19);
    expect(runs).toHaveLength(1);
    expect(runs[0]).toMatchObject({ number: 40, count: 11 });
    expect(content.equals(runs[0]?.content ?? new Uint8Array())).toBe(true);
    expect(checker.dropped.malformed).toBe(12);
  });

  test('repair frames are never joined', () => {
    const repairs = leader().train({ ...frames, count: 2, repair: 4 }, frameBytes, 0, 2);
    expect(taken(member(), Buffer.from(repairs))).toHaveLength(2);
  });

  test('of a stranger, another segment and another key are dropped and counted', () => {
    const checker = member();
    const strange = { epoch: 3, key: Buffer.alloc(32, 8) };
    for (const tagger of [
      new FrameTagger('lan', strange),
      new FrameTagger('wan', segmentKey),
      new FrameTagger('lan', { ...segmentKey, epoch: 4 }),
    ]) {
      expect(taken(checker, trainOf(tagger, 0, 1))).toEqual([]);
    }
    const { forged, 'other-segment': others, 'unknown-epoch': unknown } = checker.dropped;
    expect([forged, others, unknown]).toEqual([1, 1, 1]);
  });

  test('10,000 cut, mutated and random datagrams bring nothing and break nothing', () => {
    const [checker, tagger, random] = [member(), leader(), seededRandom(5)];
    const below = (limit: number) => Math.floor(random() * limit);
    for (let round = 0; round < 10_000; round++) {
      const train = trainOf(tagger, 10, 1);
      const at = below(train.length);
      train[at] = ((train[at] ?? 0) + 1 + below(255)) % 256;
      const kinds = [train, train.subarray(0, at), randomBytes(below(3_000))];
      expect(taken(checker, kinds[below(3)] ?? train)).toEqual([]);
    }
    expect(taken(checker, trainOf(tagger))).toHaveLength(1);
  });
});

describe('a rotation of the segment key', () => {
  test('reaches open senders, and receivers take both keys until the former is retired', () => {
    let nowMs = 0;
    const next = { epoch: 4, key: Buffer.alloc(32, 9), useFromMs: 1_000 };
    const ring = new SegmentKeyRing([{ ...segmentKey, useFromMs: 0 }, next], () => nowMs);
    const [tagger, checker] = [new FrameTagger('lan', ring), new FrameChecker('lan', ring)];
    const before = trainOf(tagger, 0, 1);
    expect(taken(checker, before)).toHaveLength(1);
    nowMs = 1_000;
    const after = trainOf(tagger, 0, 1);
    expect([before.readUInt32BE(8), after.readUInt32BE(8)]).toEqual([3, 4]);
    expect(taken(checker, after, before, after)).toHaveLength(3);
    nowMs += retireAfterMs;
    expect(taken(checker, after, before)).toHaveLength(1);
    expect(checker.dropped.stale).toBe(1);
  });
});
