import { createCipheriv } from 'node:crypto';
import { afterAll, expect, test } from '@jest/globals';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { probeNative } from '#libs/native/capabilities.js';
import { WorkMemory } from '#libs/native/work-memory.js';
import type { Encoder } from './encode-content.js';
import { defaultLargestInMemoryBytes } from './encoding-policy.js';
import { similarBases } from './similar-bases.js';

const mebibyte = 2 ** 20;
const store = memoryContentStore();
afterAll(() => store.close());

/** Like nothing that another seed gives. */
function noise(seed: number, bytes: number): Buffer {
  const key = Buffer.alloc(32, seed);
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

async function file(path: string, content: Buffer): Promise<FileEntry> {
  const digest = await store.write(content);
  const sizeBytes = content.length;
  return { type: 'file', path, mode: 0o644, mtimeMs: 1_000, sizeBytes, digest };
}

/** The paths of the bases that are found for one new file where these others go. */
async function found(wanted: FileEntry, deleted: FileEntry[]): Promise<string[]> {
  const policy = {
    neverCompress: [],
    capabilities: probeNative(),
    largestInMemoryBytes: defaultLargestInMemoryBytes,
  };
  const encoder: Encoder = { store, policy, memory: new WorkMemory(mebibyte), wholeLevel: 3 };
  const none = { added: [], changed: [], typeChanged: [], renamed: [] };
  const bases = await similarBases({ ...none, deleted }, [wanted], encoder);
  return [...bases.values()].map(({ path }) => path);
}

const old = noise(1, 100_000);
const edited = Buffer.concat([old.subarray(0, 50_000), Buffer.from('new'), old.subarray(50_000)]);
const others = (count: number) =>
  Promise.all(Array.from({ length: count }, (_, at) => file(`${at}`, noise(2 + at, mebibyte))));

test('a new file finds the one that it is like, whatever its name', async () => {
  const before = await file('app.1f3a.js', old);
  expect(await found(await file('app.99c0.js', edited), [...(await others(2)), before])).toEqual([
    'app.1f3a.js',
  ]);
});

test('no more of the base is read for it than 16 MiB and its own size', async () => {
  const before = await file('old', old);
  const wanted = await file('new', edited);
  expect(await found(wanted, [...(await others(16)), before])).toEqual(['old']);
  expect(
    await found(wanted, [...(await others(16)), await file('1', noise(99, 4_096)), before]),
  ).toEqual([]);
});

test('a file that is too large to be read is passed over, not the ones behind it', async () => {
  const before = await file('old', old);
  const large = await file('large', noise(3, 17 * mebibyte));
  expect(await found(await file('new', edited), [large, before])).toEqual(['old']);
});

test('content that the store has not, or has again, costs nothing', async () => {
  const before = await file('old', old);
  const missing = { ...before, path: 'missing', digest: '0'.repeat(64), sizeBytes: 16 * mebibyte };
  const [other] = await others(1);
  if (!other) throw new Error('there is one');
  const again = Array.from({ length: 20 }, (_, at) => ({ ...other, path: `again ${at}` }));
  expect(await found(await file('new', edited), [missing, ...again, before])).toEqual(['old']);
});
