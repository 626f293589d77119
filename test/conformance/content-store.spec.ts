import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { diskContentStore } from '#libs/content-store/adapters/disk-store.js';
import { fetchingStore } from '#libs/content-store/adapters/fetching-store.js';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import { s3ContentStore } from '#libs/content-store/adapters/s3/s3-store.js';
import {
  BlobNotFound,
  type ContentStore,
  DigestMismatch,
  RangeOutsideBlob,
} from '#libs/content-store/content-store.js';
import { emptyManifest, type Manifest } from '#libs/content-store/manifest.js';
import { MalformedManifest } from '#libs/content-store/manifest-codec.js';
import { withS3 } from '../support/s3-server.js';

interface Subject {
  readonly store: ContentStore;
  close(): Promise<void>;
}

const adapters: Record<string, (directory: string) => Subject | Promise<Subject>> = {
  memory: () => {
    const store = memoryContentStore();
    return { store, close: () => store.close() };
  },
  disk: (directory) => ({
    store: diskContentStore(join(directory, 'content')),
    close: async () => {},
  }),
  fetching: (directory) => ({
    store: fetchingStore(diskContentStore(join(directory, 'content')), []),
    close: async () => {},
  }),
  // Larger blobs of these tests go in parts; 5 MiB is the smallest that services take.
  S3: (directory) => onS3('real', directory, 5 * 1024 ** 2),
  'S3 (strict)': (directory) => onS3('strict', directory, 1024 ** 2),
};

async function onS3(kind: 'real' | 'strict', directory: string, partBytes: number) {
  const server = await withS3(kind);
  const cacheDirectory = join(directory, 'cache');
  const store = s3ContentStore({ ...server.location, cacheDirectory, partBytes, prefix: 'p/' });
  const close = async () => {
    store.close();
    await server.close();
  };
  return { store, close };
}

describe.each(Object.entries(adapters))('the %s content store', (_name, open) => {
  let directory: string;
  let subject: Subject;
  let store: ContentStore;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'espalier-store-'));
    subject = await open(directory);
    store = subject.store;
  });

  afterEach(async () => {
    await subject.close();
    await rm(directory, { recursive: true });
  });

  test('gives back what was written, under its SHA-256', async () => {
    const digest = await store.write(bytes('hello'));
    expect(digest).toBe(sha256('hello'));
    expect(await readText(store, digest)).toBe('hello');
    expect(await store.has(digest)).toBe(true);
    expect(await store.sizeBytes(digest)).toBe(5);
  });

  test('stores a stream like the same bytes at once', async () => {
    async function* parts() {
      yield bytes('hel');
      yield bytes('');
      yield bytes('lo');
    }
    expect(await store.write(parts())).toBe(sha256('hello'));
  });

  test('stores nothing when a stream breaks off', async () => {
    async function* broken() {
      yield bytes('hel');
      throw new Error('the peer went away');
    }
    await expect(store.write(broken())).rejects.toThrow('the peer went away');
    expect(await store.has(sha256('hel'))).toBe(false);
  });

  test('stores the empty blob', async () => {
    const digest = await store.write(bytes(''));
    expect(await store.sizeBytes(digest)).toBe(0);
    expect(await readText(store, digest)).toBe('');
  });

  test('reads a range, to the last byte', async () => {
    const digest = await store.write(bytes('0123456789'));
    expect(await readText(store, digest, { offset: 7, length: 3 })).toBe('789');
    expect(await readText(store, digest, { offset: 0, length: 1 })).toBe('0');
    expect(await readText(store, digest, { offset: 10, length: 0 })).toBe('');
  });

  test('refuses a range that is not in the blob', async () => {
    const digest = await store.write(bytes('0123456789'));
    const outside = [
      { offset: 8, length: 3 },
      { offset: -1, length: 2 },
      { offset: 0.5, length: 1 },
    ];
    for (const range of outside) {
      await expect(readText(store, digest, range)).rejects.toThrow(RangeOutsideBlob);
    }
  });

  test('reads large blobs whole', async () => {
    const content = Buffer.alloc(3_000_001, 'abcdefghijk');
    const digest = await store.write(content);
    expect(await readText(store, digest)).toBe(content.toString());
  });

  test('fills memory with a blob of its length, of no other', async () => {
    for (const length of [0, 10, 3_000_001]) {
      const content = Buffer.alloc(length, 'abcdefghijk');
      const digest = await store.write(content);
      const target = new Uint8Array(length);
      await store.readInto(digest, target);
      expect(content.equals(target)).toBe(true);
      const longer = new Uint8Array(length + 1);
      await expect(store.readInto(digest, longer)).rejects.toThrow(RangeOutsideBlob);
    }
    await expect(store.readInto(sha256('unknown'), new Uint8Array(1))).rejects.toThrow(
      BlobNotFound,
    );
    await expect(store.readInto('../x', new Uint8Array(1))).rejects.toThrow(BlobNotFound);
  });

  test('says which blob it does not have', async () => {
    for (const digest of [sha256('unknown'), 'no digest', '../../etc/passwd']) {
      expect(await store.has(digest)).toBe(false);
      await expect(store.sizeBytes(digest)).rejects.toThrow(BlobNotFound);
      await expect(readText(store, digest)).rejects.toThrow(digest);
      await expect(store.localPath(digest)).rejects.toThrow(BlobNotFound);
      await expect(store.readManifest(digest)).rejects.toThrow(BlobNotFound);
    }
  });

  test('takes files over, small and large', async () => {
    for (const content of ['', 'small', 'x'.repeat(3_000_000)]) {
      const path = join(directory, 'source');
      await writeFile(path, content);
      await store.writeFile(path, sha256(content));
      expect(await readText(store, sha256(content))).toBe(content);
    }
  });

  test('refuses a file that is not what its digest says', async () => {
    for (const content of ['small', 'x'.repeat(3_000_000)]) {
      const path = join(directory, 'source');
      await writeFile(path, `${content} changed`);
      await expect(store.writeFile(path, sha256(content))).rejects.toThrow(DigestMismatch);
      expect(await store.has(sha256(content))).toBe(false);
      expect(await store.has(sha256(`${content} changed`))).toBe(false);
    }
  });

  test('fails for a file that is not there, and only for that file', async () => {
    const path = join(directory, 'there');
    await writeFile(path, 'there');
    const results = await Promise.allSettled([
      store.writeFile(join(directory, 'gone'), sha256('gone')),
      store.writeFile(path, sha256('there')),
    ]);
    expect(results.map((result) => result.status)).toEqual(['rejected', 'fulfilled']);
    expect(await store.has(sha256('there'))).toBe(true);
  });

  test('takes the same content from many writers at once', async () => {
    const path = join(directory, 'source');
    await writeFile(path, 'same');
    await Promise.all([
      ...Array.from({ length: 50 }, () => store.writeFile(path, sha256('same'))),
      ...Array.from({ length: 50 }, () => store.write(bytes('same'))),
    ]);
    expect(await readText(store, sha256('same'))).toBe('same');
  });

  test('offers a blob as a local file', async () => {
    const digest = await store.write(bytes('hello'));
    expect(await readFile(await store.localPath(digest), 'utf8')).toBe('hello');
  });

  test('gives back a manifest as it was', async () => {
    const manifest: Manifest = [
      { type: 'directory', path: 'a', mode: 0o755 },
      { type: 'symlink', path: 'a-link', target: '../somewhere/é' },
      {
        type: 'file',
        path: 'a/é',
        mode: 0o640,
        sizeBytes: 2 ** 40,
        mtimeMs: -1,
        digest: sha256('é'),
      },
    ];
    expect(await store.readManifest(await store.writeManifest(manifest))).toEqual(manifest);
    const empty = await store.writeManifest(emptyManifest);
    expect(await store.readManifest(empty)).toEqual([]);
  });

  test('refuses to read a blob that is no manifest as one', async () => {
    const digest = await store.write(bytes('not a manifest'));
    await expect(store.readManifest(digest)).rejects.toThrow(MalformedManifest);
  });
});

const bytes = (text: string) => new TextEncoder().encode(text);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

async function readText(store: ContentStore, ...parameters: Parameters<ContentStore['read']>) {
  const parts: Uint8Array[] = [];
  for await (const part of store.read(...parameters)) parts.push(part);
  return Buffer.concat(parts).toString();
}
