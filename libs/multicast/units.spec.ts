import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { dataHeaderBytes, payloadsOf, readDataFrame } from './data-frame.js';
import { FrameSet } from './frame-set.js';
import {
  framesOfUnit,
  geometryOf,
  ImpossibleSession,
  rangeOfRun,
  unitRange,
  unitsOfFrame,
} from './geometry.js';
import { allSound, emptyUnits, holdRanges, takeFrames, takeVerdict } from './units.js';

const anyGeometry = fc
  .record({
    body: fc.integer({ min: 0, max: 400_000 }),
    head: fc.integer({ min: 1, max: 150_000 }),
    frame: fc.integer({ min: 1_000, max: 60_000 }),
  })
  .map(({ body, head, frame }) => geometryOf(head + body, head, frame));

describe('the geometry', () => {
  test('frames and units cover each other wherever their borders fall', () => {
    fc.assert(
      fc.property(anyGeometry, (geometry) => {
        for (let unit = 0; unit < geometry.unitCount; unit++) {
          const { first, last } = framesOfUnit(geometry, unit);
          for (const frame of [first, last]) {
            const units = unitsOfFrame(geometry, frame);
            if (unit < units.first || unit > units.last) return false;
          }
        }
        const end = unitRange(geometry, geometry.unitCount - 1);
        return end.offset + end.length === geometry.containerBytes;
      }),
    );
  });

  test.each([
    [100, 0, 1_400],
    [100, 101, 1_400],
    [Number.NaN, 1, 1_400],
    [100, 10, 0],
    [100, 10, 65_000],
    [6 * 2 ** 30, 10, 1_400],
  ])('refuses %d bytes with a head of %d in frames of %d', (bytes, head, frame) => {
    expect(() => geometryOf(bytes, head, frame)).toThrow(ImpossibleSession);
  });
});

describe('a frame set', () => {
  test('finds the same runs and gaps as a plain set', () => {
    const frames = fc.array(fc.nat(199), { maxLength: 150 });
    fc.assert(
      fc.property(frames, fc.nat(199), (members, from) => {
        const set = new FrameSet(200);
        for (const member of members) set.add(member);
        const gaps = set.gaps(1_000, from);
        const missing = gaps.flatMap(({ first, count }) =>
          Array.from({ length: count }, (_, index) => first + index),
        );
        const expected = Array.from({ length: 200 - from }, (_, index) => from + index);
        expect(missing).toEqual(expected.filter((frame) => !members.includes(frame)));
        expect(set.size).toBe(new Set(members).size);
        const run = set.nextRun(from, 3);
        expect(run?.first).toBe(expected.find((frame) => members.includes(frame)));
        expect(run?.count ?? 1).toBeLessThanOrEqual(3);
      }),
    );
  });

  test('does not take what is out of bounds', () => {
    const set = new FrameSet(10);
    set.addRun({ first: 8, count: 4_000_000_000 });
    expect(set.size).toBe(2);
    expect(set.add(10)).toBe(false);
  });
});

describe('units', () => {
  const geometry = geometryOf(300_000, 700, 1_400);
  const content = (sequence: number) =>
    new Uint8Array(Math.min(1_400, 300_000 - sequence * 1_400)).fill(sequence);
  const one = (first: number) => ({ first, count: 1 });

  test('no block is verified before the head is sound', () => {
    const units = emptyUnits(geometry);
    const early: number[] = [];
    for (let frame = 1; frame < geometry.frameCount; frame++) {
      early.push(...takeFrames(geometry, units, one(frame), content(frame)).toVerify);
    }
    expect(early).toEqual([]);
    expect(takeFrames(geometry, units, one(0), content(0)).toVerify).toEqual([0]);
    expect(takeVerdict(geometry, units, 0, true)).toEqual([1, 2, 3, 4, 5]);
    for (let unit = 1; unit <= 5; unit++) takeVerdict(geometry, units, unit, true);
    expect(allSound(units)).toBe(true);
  });

  test('the frames of a bad block are missing again, sound neighbours take no bytes', () => {
    const units = emptyUnits(geometry);
    for (let frame = 0; frame < geometry.frameCount; frame++) {
      takeFrames(geometry, units, one(frame), content(frame));
    }
    for (const unit of [0, 1, 3, 4, 5]) takeVerdict(geometry, units, unit, true);
    takeVerdict(geometry, units, 2, false);
    const { first, last } = framesOfUnit(geometry, 2);
    expect(geometry.frameCount - units.frames.size).toBe(last - first + 1);
    const pieces = [];
    const toVerify = [];
    for (let frame = first; frame <= last; frame++) {
      const taken = takeFrames(geometry, units, one(frame), content(frame));
      pieces.push(...taken.pieces);
      toVerify.push(...taken.toVerify);
    }
    expect(pieces.every(({ unit }) => unit === 2)).toBe(true);
    expect(pieces.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBe(65_536);
    expect(toVerify).toEqual([2]);
    expect(units.count.bad).toBe(1);
  });

  test('a run of frames is taken like its frames one by one, whatever was there before', () => {
    const whole = new Uint8Array(300_000);
    const arrivals = fc.array(
      fc.record({ first: fc.nat(214), count: fc.integer({ min: 1, max: 99 }) }),
    );
    fc.assert(
      fc.property(arrivals, (runs) => {
        const [joined, single] = [emptyUnits(geometry), emptyUnits(geometry)];
        const verify: [number[], number[]] = [[], []];
        const bytes = [0, 0];
        for (const { first, count: wanted } of runs) {
          const count = Math.min(wanted, geometry.frameCount - first);
          const range = rangeOfRun(geometry, { first, count });
          const part = whole.subarray(range.offset, range.offset + range.length);
          const taken = takeFrames(geometry, joined, { first, count }, part);
          verify[0].push(...taken.toVerify);
          for (const piece of taken.pieces) bytes[0] = (bytes[0] ?? 0) + piece.bytes.length;
          for (let frame = first; frame < first + count; frame++) {
            const alone = takeFrames(geometry, single, one(frame), content(frame));
            verify[1].push(...alone.toVerify);
            for (const piece of alone.pieces) bytes[1] = (bytes[1] ?? 0) + piece.bytes.length;
          }
        }
        expect(joined.missing).toEqual(single.missing);
        expect(verify[0]).toEqual(verify[1]);
        expect(bytes[0]).toBe(bytes[1]);
      }),
    );
  });

  test('held ranges are not missing, but for frames shared with what is not held', () => {
    const units = emptyUnits(geometry);
    holdRanges(geometry, units, [{ offset: 0, length: 700 + 65_536 }]);
    expect(units.count.sound).toBe(2);
    const shared = framesOfUnit(geometry, 2).first;
    expect(units.frames.gaps(5)).toEqual([{ first: shared, count: geometry.frameCount - shared }]);
  });
});

describe('a data frame', () => {
  test('is read as it was written', () => {
    const frames = {
      ...{ session: '010203040506', number: 4_000_000_000, count: 2, pass: 65_535 },
      ...{ repair: 65_534, content: Buffer.from('vwxyz') },
    };
    const [first = Buffer.alloc(0), last = Buffer.alloc(0)] = payloadsOf(frames, 3);
    expect(readDataFrame(first)).toMatchObject({ ...frames, count: 1, content: {} });
    expect(Buffer.from(readDataFrame(first)?.content ?? []).toString()).toBe('vwx');
    expect(readDataFrame(last)?.number).toBe(4_000_000_001);
    expect(Buffer.from(readDataFrame(last)?.content ?? []).toString()).toBe('yz');
    expect(readDataFrame(first.subarray(0, dataHeaderBytes))).toBeUndefined();
  });
});
