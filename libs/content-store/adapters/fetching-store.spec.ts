import { createHash } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { BlobNotFound, type ContentStore } from '../content-store.js';
import { type BlobSource, fetchingStore, httpSource, storeSource } from './fetching-store.js';
import { memoryContentStore } from './memory-store.js';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
let local: ContentStore;
let remote: ContentStore;

beforeEach(() => {
  local = memoryContentStore();
  remote = memoryContentStore();
});

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serving(answer: (response: ServerResponse) => void): Promise<string> {
  server = createServer((_request, response) => answer(response));
  await new Promise<void>((ready) => server?.listen(0, '127.0.0.1', ready));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function text(store: ContentStore, digest: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const bytes of store.read(digest)) parts.push(bytes);
  return Buffer.concat(parts).toString();
}

test('what is missing is fetched once, however many ask, and then is here', async () => {
  const digest = await remote.write(Buffer.from('hello'));
  let fetches = 0;
  const source = storeSource('origin', remote);
  const counting: BlobSource = {
    name: 'origin',
    fetch: (asked) => {
      fetches++;
      return source.fetch(asked);
    },
  };
  const store = fetchingStore(local, [counting]);
  expect(await store.has(digest)).toBe(false);
  expect(await Promise.all([1, 2, 3].map(() => text(store, digest)))).toEqual(
    Array(3).fill('hello'),
  );
  expect(await store.sizeBytes(digest)).toBe(5);
  expect(fetches).toBe(1);
  expect(await local.has(digest)).toBe(true);
});

test('the next source is asked when one has it not or sends something else', async () => {
  const digest = await remote.write(Buffer.from('hello'));
  const wrong = (bytes: string): BlobSource => ({
    name: 'wrong',
    fetch: async () => ({
      sizeBytes: 5,
      content: (async function* () {
        yield Buffer.from(bytes);
      })(),
    }),
  });
  const empty = storeSource('empty', memoryContentStore());
  const sources = [empty, wrong('hellO'), wrong('hel'), wrong('hello and so on without end')];
  const store = fetchingStore(local, [...sources, storeSource('origin', remote)]);
  expect(await text(store, digest)).toBe('hello');
  for (const bytes of ['hellO', 'hel']) expect(await local.has(sha256(bytes))).toBe(false);
  const lonely = fetchingStore(memoryContentStore(), sources);
  await expect(text(lonely, digest)).rejects.toThrow(BlobNotFound);
  await expect(text(lonely, digest)).rejects.toThrow('empty has it not; wrong: ');
});

test('another host is asked by HTTP, and believed no further than the digest', async () => {
  const digest = sha256('hello');
  const url = await serving((response) => response.end('hello'));
  expect(await text(fetchingStore(local, [httpSource(url)]), digest)).toBe('hello');
  const other = fetchingStore(memoryContentStore(), [httpSource(url)]);
  await expect(text(other, sha256('other'))).rejects.toThrow('has the digest');
});

test('redirects, errors and answers of unknown length are not followed', async () => {
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    (response) => response.writeHead(500).end('broken'),
    (response) => response.writeHead(200).write('endless'),
  ];
  for (const answer of answers) {
    const url = await serving(answer);
    const store = fetchingStore(local, [httpSource(url)]);
    await expect(text(store, sha256('hello'))).rejects.toThrow(BlobNotFound);
    server?.closeAllConnections();
    server?.close();
  }
});
