import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import type { TreeWatcher, WatchReason } from '../watch.js';
import { parcelWatcher } from './parcel-watcher.js';
import { systemWatcher, watchTree } from './watch-tree.js';

const timings = { quietMs: 500, mostMs: 3_000, rescanMs: 60_000 };

/** A watch over nothing; `change` is what a notice does. */
function virtualWatch(look: (reason: WatchReason) => Promise<void>) {
  const clock = new VirtualClock();
  let change: () => void = () => undefined;
  const watcher: TreeWatcher = {
    watch: (_, onChange) => {
      change = onChange;
      return () => undefined;
    },
  };
  const close = watchTree('/', look, clock, timings, watcher);
  return { clock, change: () => change(), close };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('changes are reported once, when the tree has come to rest', async () => {
  const seen: string[] = [];
  const { clock, change, close } = virtualWatch(async (reason) => {
    seen.push(`${reason} ${clock.nowMs()}`);
  });
  change();
  clock.advance(400);
  change();
  clock.advance(499);
  expect(seen).toEqual([]);
  clock.advance(1);
  await settled();
  expect(seen).toEqual(['changed 900']);
  clock.advance(30_000);
  expect(seen.length).toBe(1);
  close();
});

test('a tree that never rests is reported all the same', () => {
  const seen: string[] = [];
  const { clock, change, close } = virtualWatch(async (reason) => {
    seen.push(`${reason} ${clock.nowMs()}`);
  });
  for (let step = 0; step < 16; step++) {
    change();
    clock.advance(200);
  }
  expect(seen).toEqual(['changed 3000']);
  close();
});

test('the tree is looked at now and then, notices or not, until the watch ends', async () => {
  const seen: string[] = [];
  const { clock, close } = virtualWatch(async (reason) => {
    seen.push(reason);
    throw new Error('not this time');
  });
  for (let round = 0; round < 2; round++) {
    clock.advance(60_000);
    await settled();
  }
  close();
  clock.advance(600_000);
  expect(seen).toEqual(['rescan', 'rescan']);
});

test('a change during a look leads to another look', async () => {
  const looks: (() => void)[] = [];
  const { clock, change, close } = virtualWatch(
    () => new Promise((resolve) => looks.push(resolve)),
  );
  change();
  clock.advance(500);
  change();
  clock.advance(5_000);
  expect(looks.length).toBe(1);
  looks[0]?.();
  await settled();
  clock.advance(0);
  expect(looks.length).toBe(2);
  close();
});

const failing: TreeWatcher = {
  watch: () => {
    throw new Error('this host has no native watcher');
  },
};
const watchers = [
  ["Node's own", systemWatcher],
  ['the native', parcelWatcher(failing)],
] as const;

test.each(watchers)('%s watcher notices a file deep in a directory', async (_, watcher) => {
  const root = mkdtempSync(join(tmpdir(), 'espalier-watch-'));
  mkdirSync(join(root, 'a/b'), { recursive: true });
  const quick = { quietMs: 10, mostMs: 50, rescanMs: 30_000 };
  const reasons: WatchReason[] = [];
  const look = async (reason: WatchReason) => {
    reasons.push(reason);
  };
  const close = watchTree(root, look, systemClock, quick, watcher);
  // The first look may be for what nobody could notice yet: go on until there is another.
  for (let attempt = 0; attempt < 500 && reasons.length < 2; attempt++) {
    writeFileSync(join(root, 'a/b/c'), String(attempt));
    await sleep(systemClock, 20);
  }
  close();
  rmSync(root, { recursive: true });
  expect(reasons.slice(0, 2)).toEqual(['changed', 'changed']);
});

test('where the native watcher cannot watch, the other one does', async () => {
  let isWatched: (path: string) => void = () => undefined;
  const watched = new Promise<string>((resolve) => {
    isWatched = resolve;
  });
  const other: TreeWatcher = {
    watch: (path) => {
      isWatched(path);
      return () => undefined;
    },
  };
  const close = parcelWatcher(other).watch('/nowhere/at/all', () => undefined);
  expect(await watched).toBe('/nowhere/at/all');
  close();
});
