import { describe, expect, test } from '@jest/globals';
import { KeptMemory, newMemory, WorkMemory } from './work-memory.js';

const mebibyte = 1024 ** 2;

async function memoryOf(memory: WorkMemory, ...lengths: number[]): Promise<unknown[]> {
  return memory.lend(async (take) => lengths.map((length) => take(length).buffer));
}

describe('memory that is used again', () => {
  test('is given out once at a time, and again when it came back', async () => {
    const memory = new WorkMemory(mebibyte);
    const [first, second] = await memoryOf(memory, 70_000, 70_000);
    expect(second).not.toBe(first);
    expect(new Set(await memoryOf(memory, 100_000, 131_072))).toEqual(new Set([first, second]));
  });

  test('has the length that was asked for', async () => {
    const memory = new WorkMemory(mebibyte);
    const lengths = [0, 1, 65_536, 65_537, 40 * mebibyte];
    const taken = await memory.lend(async (take) => lengths.map((bytes) => take(bytes).length));
    expect(taken).toEqual(lengths);
  });

  test('comes back from what fails', async () => {
    const memory = new WorkMemory(mebibyte);
    let first: unknown;
    const failing = memory.lend(async (take) => {
      first = take(10).buffer;
      throw new Error('planned');
    });
    await expect(failing).rejects.toThrow('planned');
    expect(await memoryOf(memory, 10)).toEqual([first]);
  });

  test('lies idle up to a limit only', async () => {
    const memory = new WorkMemory(2 * mebibyte);
    const [first, second, third] = await memoryOf(memory, mebibyte, mebibyte, mebibyte);
    expect(new Set(await memoryOf(memory, mebibyte, mebibyte))).toEqual(new Set([first, second]));
    expect(await memoryOf(memory, 10)).not.toContain(third);
  });

  test('is new where nobody lends it', () => {
    expect(newMemory(5).length).toBe(5);
  });
});

test('memory for one thing at a time is the same, until it is too small', () => {
  const { take } = new KeptMemory(mebibyte);
  const first = take(100_000);
  expect(take(50_000).buffer).toBe(first.buffer);
  expect(take(900_000).length).toBe(900_000);
  expect(take(1000).buffer).not.toBe(first.buffer);
  expect(take(2 * mebibyte).length).toBe(2 * mebibyte);
});
