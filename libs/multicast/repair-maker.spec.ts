import { describe, expect, test } from '@jest/globals';
import { geometryOf, rangeOfRun } from './geometry.js';
import { RepairMaker } from './repair-maker.js';
import type { ByteRange } from './session.js';

const geometry = geometryOf(600_000, 1_000, 1_424);
const container = Uint8Array.from({ length: 600_000 }, (_, at) => (at * 31 + (at >> 8)) & 255);

function maker(): { repairs: RepairMaker; reads: ByteRange[] } {
  const reads: ByteRange[] = [];
  // One memory for all calls, as the sender has it.
  const scratch = new Uint8Array(container.length);
  const repairs = new RepairMaker(geometry, async (range) => {
    reads.push(range);
    scratch.set(container.subarray(range.offset, range.offset + range.length));
    return scratch.subarray(0, range.length);
  });
  return { repairs, reads };
}

describe('repair frames', () => {
  test('are the same whether made beforehand or when they are asked for', async () => {
    const [early, late] = [maker(), maker()];
    await early.repairs.prepare(geometry.frameCount);
    await early.repairs.prepare(geometry.frameCount);
    for (let batch = 0; batch < geometry.batchCount; batch++) {
      const parts = await early.repairs.frames(batch, 0, 2);
      const rest = await early.repairs.frames(batch, 2, 7);
      expect([...parts, ...rest]).toEqual(await late.repairs.frames(batch, 0, 9));
    }
  });

  test('of what was prepared are had without reading anything', async () => {
    const { repairs, reads } = maker();
    await repairs.prepare(geometry.frameCount);
    const before = reads.length;
    await repairs.frames(0, 0, 3);
    await repairs.frames(1, 3, 3);
    expect(reads).toHaveLength(before);
  });

  test('are made beforehand for batches that have left altogether only', async () => {
    const { repairs, reads } = maker();
    await repairs.prepare(geometry.batchFrames - 1);
    expect(reads).toEqual([]);
    await repairs.prepare(geometry.batchFrames + 1);
    expect(reads).toEqual([rangeOfRun(geometry, { first: 0, count: geometry.batchFrames })]);
  });
});
