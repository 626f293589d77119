import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { killAtRandomTimes, replayEveryPrefix } from './crashes.js';
import { memoryDirectory } from './switch-readers.js';

const directory = join(memoryDirectory(), `espalier-crashes-${process.pid}`);
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('the live tree is the old or the new one after every single write', async () => {
  expect(await replayEveryPrefix(directory)).toBeGreaterThan(30);
});

test('and whenever a process that publishes is killed', async () => {
  expect(await killAtRandomTimes(directory, 3, seededRandom(11))).toBe(3);
});
