import { expect, test } from '@jest/globals';
import { geometryOf, unitRange } from './geometry.js';
import { blockBytes, type SessionSink } from './session.js';
import { UnitBuffer } from './unit-buffer.js';

const headBytes = 100;
const geometry = geometryOf(headBytes + 4 * blockBytes, headBytes, 8_192);
const container = Buffer.from(
  Uint8Array.from({ length: geometry.containerBytes }, (_, index) => index * 31),
);

function memorySink(): SessionSink & { readonly bytes: Buffer; readonly writes: number[] } {
  const bytes = Buffer.alloc(geometry.containerBytes);
  const writes: number[] = [];
  const isSound = (offset: number, part: Uint8Array) =>
    container.subarray(offset, offset + part.length).equals(part);
  return {
    bytes,
    writes,
    held: [],
    async writeAt(offset, part) {
      writes.push(part.length);
      bytes.set(part, offset);
    },
    readAt: async (offset, length) => bytes.subarray(offset, offset + length),
    verifyHead: (head) => isSound(0, head),
    verifyBlock: (index, block) => isSound(headBytes + index * blockBytes, block),
    done: async () => undefined,
    stopped: async () => undefined,
  };
}

/** Half a unit: `part` is 0 or 1. */
function half(unit: number, part: number) {
  const { offset, length } = unitRange(geometry, unit);
  const start = offset + part * (length / 2);
  return { unit, offset: start, bytes: container.subarray(start, start + length / 2) };
}

test('a unit that fits into memory is written once, when it is verified', async () => {
  const sink = memorySink();
  const buffer = new UnitBuffer(geometry, sink);
  for (let unit = 0; unit < geometry.unitCount; unit++) {
    await buffer.put(half(unit, 1));
    await buffer.put(half(unit, 0));
    expect(await buffer.verify(unit)).toBe(true);
  }
  expect(sink.bytes.equals(container)).toBe(true);
  expect(sink.writes).toHaveLength(geometry.unitCount);
});

test('unfinished units that do not fit are completed in the sink', async () => {
  const sink = memorySink();
  const buffer = new UnitBuffer(geometry, sink, undefined, blockBytes);
  for (const part of [0, 1]) {
    for (let unit = 0; unit < geometry.unitCount; unit++) await buffer.put(half(unit, part));
  }
  for (let unit = 0; unit < geometry.unitCount; unit++) {
    expect(await buffer.verify(unit)).toBe(true);
  }
  expect(sink.bytes.equals(container)).toBe(true);
  expect(sink.writes.length).toBeGreaterThan(geometry.unitCount);
});

test('a bad unit is not written and can be gathered again', async () => {
  const sink = memorySink();
  const buffer = new UnitBuffer(geometry, sink);
  await buffer.put(half(1, 0));
  expect(await buffer.verify(1)).toBe(false);
  expect(sink.writes).toEqual([]);
  await buffer.put(half(1, 0));
  await buffer.put(half(1, 1));
  expect(await buffer.verify(1)).toBe(true);
});

test('there is no room while the sink is behind', async () => {
  const sink = memorySink();
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = { ...sink, writeAt: () => gate };
  const buffer = new UnitBuffer(geometry, slow, undefined, blockBytes);
  const puts = [1, 2, 3, 4].map((unit) => buffer.put(half(unit, 0)));
  expect(buffer.hasRoom).toBe(false);
  release();
  await Promise.all(puts);
  expect(buffer.hasRoom).toBe(true);
});

test('a unit that leaves memory while a batch is read is read all the same', async () => {
  const sink = memorySink();
  let answer: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const slow: SessionSink = {
    ...sink,
    readAt: async (offset, length) => gate.then(() => sink.readAt(offset, length)),
  };
  const buffer = new UnitBuffer(geometry, slow, undefined, blockBytes);
  const put = async (unit: number) => {
    await Promise.all([buffer.put(half(unit, 0)), buffer.put(half(unit, 1))]);
  };
  await put(1);
  expect(await buffer.verify(1)).toBe(true);
  await put(2);
  const { offset } = unitRange(geometry, 1);
  const reading = buffer.read(
    { offset, length: 2 * blockBytes },
    (unit) => unit === 1,
    () => undefined,
    (bytes) => container.subarray(offset, offset + 2 * blockBytes).equals(bytes),
  );
  await Promise.resolve();
  const spilling = put(3);
  answer();
  expect(await reading).toBe(true);
  await spilling;
});
