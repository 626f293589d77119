import { describe, expect, test } from '@jest/globals';
import { BatchBoard, blocksPerBatch } from './batches.js';

const nothing = () => false;

describe('batches', () => {
  test('are of 4 blocks at most, and each stripe has several', () => {
    expect(blocksPerBatch(100_000, 4)).toBe(4);
    expect(blocksPerBatch(256, 4)).toBe(2);
    expect(blocksPerBatch(3, 4)).toBe(1);
  });

  test('every block is in one batch, and batches take turns between stripes', () => {
    const board = new BatchBoard(65, 4, nothing);
    const taken = new Map<number, number>();
    for (let stripe = 0; !board.isDone; stripe = (stripe + 1) % 4) {
      const batch = board.take(stripe);
      if (!batch) continue;
      expect(batch.index % 4).toBe(stripe);
      for (let block = batch.firstBlock; block < batch.endBlock; block++) {
        taken.set(block, (taken.get(block) ?? 0) + 1);
      }
      board.putBack(batch, batch.endBlock);
    }
    expect([...taken.keys()].sort((a, b) => a - b)).toEqual([...Array(65).keys()]);
    expect(new Set(taken.values())).toEqual(new Set([1]));
  });

  test('what is there already is not wanted', () => {
    const board = new BatchBoard(64, 1, (index) => index < 5);
    expect(board.take(0)).toMatchObject({ firstBlock: 5, endBlock: 6 });
  });

  test('a batch that was put back is taken again first, from where it stopped', () => {
    const board = new BatchBoard(128, 1, nothing);
    const batch = board.take(0);
    if (batch) board.putBack(batch, batch.firstBlock + 3);
    expect(board.take(0)).toMatchObject({ index: 0, firstBlock: 3 });
  });

  test('a stripe that is far ahead waits until the others have come after it', () => {
    const board = new BatchBoard(1_000, 2, nothing);
    const slow = board.take(1);
    for (let batch = board.take(0); batch; batch = board.take(0)) {
      board.putBack(batch, batch.endBlock);
      expect(batch.index).toBeLessThan(20);
    }
    if (slow) board.putBack(slow, slow.endBlock);
    expect(board.take(0)).toBeDefined();
  });

  test('who reads on has the next of its stripe, until that is far ahead', () => {
    const board = new BatchBoard(1_000, 2, nothing);
    let batch = board.take(0);
    const read: number[] = [];
    for (let next: typeof batch | 'later' = batch; batch && next !== 'later'; ) {
      read.push(batch.index);
      board.putBack(batch, batch.endBlock);
      next = board.takeAfter(batch);
      if (next !== 'later') batch = next;
    }
    expect(read.slice(0, 3)).toEqual([0, 2, 4]);
    expect(read.length).toBeLessThan(20);
    const other = board.take(1);
    if (other) board.putBack(other, other.endBlock);
    expect(batch && board.takeAfter(batch)).toMatchObject({ index: read.length * 2 });
  });

  test('who reads on stops at what somebody fetches, is here, or was given up before', () => {
    const board = new BatchBoard(64, 1, (index) => index === 3);
    const [first, second] = [board.take(0), board.take(0)];
    if (!first || !second) throw new Error('there are no batches');
    expect(board.takeAfter(first)).toBeUndefined();
    expect(board.takeAfter({ ...second, index: 2 })).toBeUndefined();
    board.putBack(first);
    expect(board.takeAfter(second)).toBeUndefined();
  });

  test('whoever has nothing else to do takes the last within reach that nobody fetches', () => {
    const board = new BatchBoard(64, 2, nothing);
    const last = board.takeLast();
    expect(last?.index).toBe(15);
    expect(board.takeLast()?.index).toBe(14);
    if (last) board.putBack(last);
    expect(board.takeLast()?.index).toBe(15);
  });
});
