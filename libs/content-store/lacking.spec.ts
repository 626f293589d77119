import { expect, test } from '@jest/globals';
import { lacking } from './lacking.js';

const files = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ path: `f${index}`, digest: `d${index % 1000}` }));

test('names each content that a store lacks once, in the order of the files', async () => {
  const store = { has: async (digest: string) => !digest.endsWith('7') };
  const found = await lacking(store, files(3000));
  expect(found.map(({ path }) => path)).toEqual(
    files(1000).flatMap(({ path }) => (path.endsWith('7') ? [path] : [])),
  );
});

test('asks a store that answers late for many at a time, and never for all', async () => {
  let waiting: (() => void)[] = [];
  let most = 0;
  const store = {
    has: (_: string) =>
      new Promise<boolean>((resolve) => {
        waiting.push(() => resolve(true));
        most = Math.max(most, waiting.length);
        if (waiting.length > 1) return;
        setImmediate(() => {
          const answered = waiting;
          waiting = [];
          for (const answer of answered) answer();
        });
      }),
  };
  expect(await lacking(store, files(1000))).toEqual([]);
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThan(1000);
});
