import { expect, test } from '@jest/globals';
import { canExchange } from '#libs/native/renameat2.js';
import { readDuringSwitches } from './switch-readers.js';

const ways = canExchange() ? (['link', 'exchange'] as const) : (['link'] as const);

test.each(ways)('no reader fails to open a file while versions are switched by %s', async (way) => {
  const { opens, failedOpens } = await readDuringSwitches(way, 100, 2);
  expect(opens).toBeGreaterThan(100);
  expect(failedOpens).toBe(0);
});

test('the readers notice two renames, which leave a moment without a live tree', async () => {
  const { failedOpens } = await readDuringSwitches('two-renames', 5_000, 2);
  expect(failedOpens).toBeGreaterThan(0);
});
