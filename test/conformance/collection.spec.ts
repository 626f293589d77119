import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { diskContentStore } from '#libs/content-store/adapters/disk-store.js';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import { s3ContentStore } from '#libs/content-store/adapters/s3/s3-store.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import {
  collectGarbage,
  missingBlobs,
  PinnedManifestMissing,
} from '#libs/content-store/garbage.js';
import { PinBook } from '#libs/content-store/pin-book.js';
import { type CollectableStore, MalformedPin } from '#libs/content-store/pins.js';
import { withS3 } from '../support/s3-server.js';

interface Subject {
  readonly store: ContentStore & CollectableStore;
  close(): Promise<void>;
}

const adapters: Record<string, (directory: string) => Promise<Subject>> = {
  memory: async () => {
    const store = memoryContentStore();
    return { store, close: () => store.close() };
  },
  disk: async (directory) => ({
    store: diskContentStore(join(directory, 'content')),
    close: async () => {},
  }),
  S3: async (directory) => {
    const server = await withS3();
    const store = s3ContentStore({ ...server.location, cacheDirectory: directory });
    const close = async () => {
      store.close();
      await server.close();
    };
    return { store, close };
  },
};

const dayMs = 24 * 60 * 60 * 1000;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
/** As if `ms` had passed. */
const later = (ms: number) => ({ ...systemClock, nowMs: () => systemClock.nowMs() + ms });
const now = later(2000);
const collect = (store: Subject['store'], graceMs = 0) =>
  collectGarbage(store, { clock: now, graceMs });

describe.each(Object.entries(adapters))('collection from a %s store', (_name, open) => {
  let directory: string;
  let subject: Subject;
  let store: Subject['store'];
  let book: PinBook;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'espalier-collect-'));
    subject = await open(directory);
    store = subject.store;
    book = new PinBook(store.shelf, systemClock);
  });

  afterEach(async () => {
    await subject.close();
    await rm(directory, { recursive: true });
  });

  const write = (text: string) => store.write(Buffer.from(text));
  const tree = async (...texts: string[]) => {
    const entries = texts.map(async (text, index) => ({
      type: 'file' as const,
      path: `file-${index}`,
      mode: 0o644,
      sizeBytes: text.length,
      mtimeMs: 0,
      digest: await write(text),
    }));
    return store.writeManifest(await Promise.all(entries));
  };
  const present = async (...texts: string[]) => {
    const found: string[] = [];
    for (const text of texts) if (await store.has(sha256(text))) found.push(text);
    return found;
  };

  test('removes exactly what no pin keeps', async () => {
    const manifest = await tree('a', 'b');
    await write('container');
    await write('unwanted');
    await book.pin('sites/www/1', { manifests: [manifest], blobs: [] });
    await book.pin('assignments/www-1', { manifests: [], blobs: [sha256('container')] });
    expect(await collect(store)).toEqual({
      isComplete: true,
      keptBlobs: 4,
      removedBlobs: 1,
      removedBytes: 8,
    });
    expect(await present('a', 'b', 'container', 'unwanted')).toEqual(['a', 'b', 'container']);
    expect(await store.has(manifest)).toBe(true);
  });

  test('keeps what two pins shared until the second is gone', async () => {
    await book.pin('one', { manifests: [await tree('a', 'shared')], blobs: [] });
    await book.pin('two', { manifests: [await tree('b', 'shared')], blobs: [] });
    await book.unpin('one');
    await collect(store);
    expect(await present('a', 'b', 'shared')).toEqual(['b', 'shared']);
    await book.unpin('two');
    await collect(store);
    expect(await present('a', 'b', 'shared')).toEqual([]);
  });

  test('keeps what is young, and what was written again', async () => {
    await write('young');
    expect((await collect(store, dayMs)).removedBlobs).toBe(0);
    expect(await present('young')).toEqual(['young']);
  });

  test('forgets a pin whose time is over', async () => {
    await write('a');
    const untilMs = systemClock.nowMs() + 1000;
    await book.pin('short', { manifests: [], blobs: [sha256('a')], untilMs });
    await collectGarbage(store, { clock: systemClock, graceMs: -5000 });
    expect(await present('a')).toEqual(['a']);
    await collect(store);
    expect(await present('a')).toEqual([]);
  });

  test('removes nothing while somebody holds, and goes on after', async () => {
    await write('found');
    await book.hold('run-1', dayMs);
    expect(await collect(store)).toMatchObject({ isComplete: false, removedBlobs: 0 });
    await book.pin('run-1', { manifests: [], blobs: [sha256('found')] });
    await write('other');
    await book.release('run-1');
    expect(await collect(store)).toMatchObject({ isComplete: true, removedBlobs: 1 });
    expect(await present('found', 'other')).toEqual(['found']);
  });

  test('is not stopped for ever by a holder that died', async () => {
    await write('a');
    await book.hold('dead', 1000);
    expect((await collect(store)).removedBlobs).toBe(1);
  });

  test('removes nothing when a pinned manifest or a pin cannot be read', async () => {
    await write('unwanted');
    await book.pin('lost', { manifests: [sha256('nowhere')], blobs: [] });
    await expect(collect(store)).rejects.toThrow(PinnedManifestMissing);
    await book.unpin('lost');
    await store.shelf.put('pins/torn', Buffer.from('{"blobs":['));
    await expect(collect(store)).rejects.toThrow(MalformedPin);
    expect(await present('unwanted')).toEqual(['unwanted']);
  });

  test('a sweep waits for no holder, a holder waits for the sweep', async () => {
    const order: string[] = [];
    let holding: Promise<void> = Promise.resolve();
    await book.sweep(async () => {
      holding = book.hold('run-1', dayMs).then(() => void order.push('held'));
      await new Promise((resolve) => setTimeout(resolve, 60));
      order.push('swept');
    });
    await holding;
    expect(order).toEqual(['swept', 'held']);
  });

  test('what pins keep and the store lost is named', async () => {
    const manifest = await tree('a', 'b');
    await book.pin('live', { manifests: [manifest], blobs: [sha256('container')] });
    expect(await missingBlobs(store, systemClock)).toEqual([sha256('container')]);
  });
});
