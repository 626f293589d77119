import { describe, expect, test } from '@jest/globals';
import { BatchBoard, blocksPerBatch } from './batches.js';

const nothing = () => false;

describe('batches', () => {
  test('are of 16 blocks at most, and each stripe has several', () => {
    expect(blocksPerBatch(100_000, 4)).toBe(16);
    expect(blocksPerBatch(64, 4)).toBe(2);
    expect(blocksPerBatch(3, 4)).toBe(1);
  });

  test('every block is in one batch, and batches take turns between stripes', () => {
    const board = new BatchBoard(65, 4, nothing);
    const taken = new Map<number, number>();
    for (let stripe = 0; stripe < 4; stripe++) {
      for (let batch = board.take(stripe); batch; batch = board.take(stripe)) {
        expect(batch.index % 4).toBe(stripe);
        for (let block = batch.firstBlock; block < batch.endBlock; block++) {
          taken.set(block, (taken.get(block) ?? 0) + 1);
        }
      }
    }
    expect([...taken.keys()].sort((a, b) => a - b)).toEqual([...Array(65).keys()]);
    expect(new Set(taken.values())).toEqual(new Set([1]));
  });

  test('what is there already is not wanted', () => {
    const board = new BatchBoard(32, 1, (index) => index < 6);
    expect(board.take(0)).toMatchObject({ firstBlock: 6, endBlock: 8 });
  });

  test('a batch that was put back is taken again first, from where it stopped', () => {
    const board = new BatchBoard(64, 1, nothing);
    const batch = board.take(0);
    if (batch) board.putBack(batch, batch.firstBlock + 3);
    expect(board.take(0)).toMatchObject({ index: 0, firstBlock: 3 });
  });

  test('whoever has nothing else to do takes from the stripe that most is left of', () => {
    const board = new BatchBoard(64, 2, nothing);
    board.take(0);
    expect((board.takeAny()?.index ?? 0) % 2).toBe(1);
  });
});
