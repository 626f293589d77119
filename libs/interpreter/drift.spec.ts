import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { type DriftInput, findDrift } from './drift.js';
import { switchTo } from './switch.js';
import { testTimeMs } from './test-commands.js';
import { TestSite } from './test-site.js';

let disk: TestSite;

beforeEach(async () => {
  disk = new TestSite();
  await disk.prepareFirst();
  await switchTo({ root: disk.root, site: 'www', sequence: 1 }, disk.ports);
});
afterEach(() => disk.remove());

const path = (name: string) => join(disk.version(1), name);
const drift = (input: Partial<DriftInput> = {}) =>
  findDrift({ root: disk.root, site: 'www', depth: 'content', ...input }, systemClock);

it('a tree as it was signed has no drift, and every byte is read', async () => {
  expect(await drift()).toMatchObject({ sequence: 1, differences: 0, filesRead: 2, bytesRead: 12 });
});

it.each<[string, () => void, object]>([
  ['a file that is gone', () => rmSync(path('index.html')), { missing: ['index.html'] }],
  ['a file that is new', () => writeFileSync(path('css/x'), ''), { unexpected: ['css/x'] }],
  ['a file that grew', () => appendFileSync(path('index.html'), '!'), { changed: ['index.html'] }],
  ['another mode', () => chmodSync(path('index.html'), 0o755), { changed: ['index.html'] }],
  ['another mode of a directory', () => chmodSync(path('css'), 0o700), { changed: ['css'] }],
  [
    'a link with another target',
    () => {
      rmSync(path('latest'));
      symlinkSync('/etc', path('latest'));
    },
    { changed: ['latest'] },
  ],
  [
    'a directory in the place of a file',
    () => {
      rmSync(path('index.html'));
      mkdirSync(path('index.html'));
    },
    { changed: ['index.html'] },
  ],
])('%s is found without reading', async (_, change, expected) => {
  change();
  const found = await drift({ depth: 'attributes' });
  expect(found).toMatchObject({ filesRead: 0, differences: 1, ...expected });
});

it('other bytes under the same size and time are found by reading only', async () => {
  writeFileSync(path('index.html'), 'HELLO');
  utimesSync(path('index.html'), testTimeMs / 1000, testTimeMs / 1000);
  expect(await drift({ depth: 'attributes' })).toMatchObject({ differences: 0 });
  expect(await drift()).toMatchObject({ changed: ['index.html'] });
});

it('what the application may write is no drift', async () => {
  appendFileSync(path('index.html'), '!');
  writeFileSync(path('css/x'), '');
  const sitePolicy = { writable: ['index.html', 'css/x'] };
  expect(await drift({ sitePolicy })).toMatchObject({ differences: 0 });
});

it('reading keeps to its rate', async () => {
  const content = Buffer.alloc(1_048_576);
  await disk.publishNext('big', content);
  const clock = new VirtualClock(0);
  const input = {
    root: disk.root,
    site: 'www',
    depth: 'content',
    bytesPerSecond: 262_144,
  } as const;
  const reading = findDrift(input, clock);
  let done = false;
  void reading.then(() => {
    done = true;
  });
  while (!done) {
    await new Promise(setImmediate);
    clock.advance(10);
  }
  expect((await reading)?.differences).toBe(0);
  expect(clock.nowMs()).toBeGreaterThanOrEqual(4_000);
});

it('a site of which nothing is live has none', async () => {
  rmSync(disk.path('live'));
  expect(await drift()).toBe(undefined);
});
