import { expect, test } from '@jest/globals';
import { orderedMap } from './ordered-map.js';

/** Calls that end when they are told to, and how many of them are under way. */
function calls() {
  const ends = new Map<number, () => void>();
  const most = { count: 0, weight: 0 };
  const map = async (item: number) => {
    await new Promise<void>((resolve) => {
      ends.set(item, resolve);
      most.count = Math.max(most.count, ends.size);
      most.weight = Math.max(
        most.weight,
        [...ends.keys()].reduce((a, b) => a + b, 0),
      );
    });
    ends.delete(item);
    return item * 10;
  };
  const endAll = async (pick: (items: number[]) => number | undefined, until: () => boolean) => {
    while (!until()) {
      ends.get(pick([...ends.keys()]) ?? 0)?.();
      await new Promise(setImmediate);
    }
  };
  return { map, most, endAll };
}

test.each([
  ['first', (items: number[]) => items[0]],
  ['last', (items: number[]) => items.at(-1)],
])('results come in order, whichever ends %s, within the limits', async (_, pick) => {
  const { map, most, endAll } = calls();
  const items = [5, 4, 3, 9, 1, 2, 12, 6, 7, 8];
  const results: number[] = [];
  const limits = { atOnce: 3, mostWeight: 10, weightOf: (item: number) => item };
  const all = (async () => {
    for await (const result of orderedMap(items, limits, map)) results.push(result);
  })();
  await endAll(pick, () => results.length === items.length);
  await all;
  expect(results).toEqual(items.map((item) => item * 10));
  expect(most.count).toBeLessThanOrEqual(3);
  // The one that is heavier than the limit goes alone.
  expect(most.weight).toBe(12);
});

test('a failure ends it once what is under way has ended', async () => {
  let ended = 0;
  const map = async (item: number) => {
    await new Promise(setImmediate);
    ended++;
    if (item === 2) throw new RangeError('two');
    return item;
  };
  const all = async () => {
    for await (const _ of orderedMap([1, 2, 3, 4, 5, 6], { atOnce: 3 }, map));
  };
  await expect(all()).rejects.toThrow('two');
  expect(ended).toBe(4);
});
