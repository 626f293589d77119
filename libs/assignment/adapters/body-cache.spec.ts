import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  type MemoryContentStore,
  memoryContentStore,
} from '#libs/content-store/adapters/memory-store.js';
import { probeNative } from '#libs/native/capabilities.js';
import { defaultLargestInMemoryBytes, type EncodingPolicy } from '../encoding-policy.js';
import { bodyCacheIn } from './body-cache.js';

const policy: EncodingPolicy = {
  neverCompress: [],
  capabilities: probeNative(),
  largestInMemoryBytes: defaultLargestInMemoryBytes,
};

let directory: string;
let store: MemoryContentStore;
let targets = 0;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-bodies-'));
  store = memoryContentStore();
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

async function newTarget(): Promise<string> {
  const target = join(directory, `target-${targets++}`);
  await mkdir(target);
  return target;
}

async function manifestOf(content: string): Promise<string> {
  const bytes = Buffer.from(content);
  const digest = await store.write(bytes);
  const file = {
    type: 'file',
    path: 'a',
    mode: 0o644,
    mtimeMs: 1,
    sizeBytes: bytes.length,
  } as const;
  return store.writeManifest([{ ...file, digest }]);
}

test('a body is compiled once for a base and a result, also after a restart', async () => {
  const bodies = join(directory, 'bodies');
  const request = {
    baseManifest: await manifestOf('old'),
    resultManifest: await manifestOf('new content'),
    policy,
  };
  const first = await bodyCacheIn(bodies, store, 4).body(request, await newTarget());
  const unreadable = memoryContentStore();
  const again = await bodyCacheIn(bodies, unreadable, 4).body(request, await newTarget());
  await unreadable.close();
  expect(again.dataPath).not.toBe(first.dataPath);
  expect(await readFile(again.dataPath ?? '')).toEqual(await readFile(first.dataPath ?? ''));
  const { dataPath: _, ...rest } = first;
  expect(again).toMatchObject({ ...rest, commands: [Buffer.concat(rest.commands)] });
});

test('another level is another body', async () => {
  const bodies = join(directory, 'bodies');
  const cache = bodyCacheIn(bodies, store, 4);
  const request = { baseManifest: '', resultManifest: await manifestOf('content'), policy };
  await cache.body(request, await newTarget());
  await cache.body({ ...request, policy: { ...policy, level: 'small' } }, await newTarget());
  expect((await readdir(bodies)).length).toBe(2);
});

test('a body with hooks is another body, and has them as its last commands', async () => {
  const bodies = join(directory, 'bodies');
  const cache = bodyCacheIn(bodies, store, 4);
  const request = { baseManifest: '', resultManifest: await manifestOf('content'), policy };
  const without = await cache.body(request, await newTarget());
  const hooks = ['drain', 'reload'];
  const body = await cache.body({ ...request, hooks }, await newTarget());
  expect(body.commandCount).toBe(without.commandCount + 2);
  const again = await cache.body({ ...request, hooks }, await newTarget());
  expect(Buffer.concat(again.commands)).toEqual(Buffer.concat(body.commands));
  expect((await readdir(bodies)).length).toBe(2);
});

test('bodies that were not used for long are forgotten, not the data of their users', async () => {
  const bodies = join(directory, 'bodies');
  const cache = bodyCacheIn(bodies, store, 2);
  const paths: string[] = [];
  for (const content of ['one', 'two', 'three']) {
    const request = { baseManifest: '', resultManifest: await manifestOf(content), policy };
    paths.push((await cache.body(request, await newTarget())).dataPath ?? '');
  }
  expect((await readdir(bodies)).length).toBe(2);
  for (const path of paths) expect((await readFile(path)).length).toBeGreaterThan(0);
});
