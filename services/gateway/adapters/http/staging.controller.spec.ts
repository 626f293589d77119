import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import {
  type DiskContentStore,
  diskContentStore,
} from '#libs/content-store/adapters/disk-store.js';
import { pushTree } from '#libs/content-store/adapters/push-tree.js';
import { collectGarbage } from '#libs/content-store/garbage.js';
import { type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import { encodeManifest } from '#libs/content-store/manifest-codec.js';
import { PinBook } from '#libs/content-store/pin-book.js';
import type { Room } from '#libs/content-store/room.js';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import { pushedPin } from '#libs/delta/pushed.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { closeApplication } from '#libs/nest-jetstream/close-application.js';
import { linkGate } from '#libs/tree/adapters/host-link.js';
import { unlimited } from '#libs/tree/link-limits.js';
import { AgentRequests } from '../../app/agent-requests.js';
import { Mailboxes } from '../../app/mailboxes.js';
import { PushedTrees } from '../../app/pushed-trees.js';
import { Roster } from '../../app/roster.js';
import { CONTENT_STORE, CONTROL_KEYS, STAGING_MAILBOXES, UPLINK } from '../../tokens.js';
import { BlobsController } from './blobs.controller.js';
import { ErrorFilter } from './error.filter.js';
import { ByteBodies, StagingController } from './staging.controller.js';
import { StagingServersController } from './staging-servers.controller.js';

const token = 'espt_right';
const contentToken = 'espc_right';
const tokens = { stagingToken: async () => token, contentToken: async () => contentToken };
const nobody = async () => undefined;
let directory: string;
let store: DiskContentStore;
let pins: PinBook;
let room: Room | undefined;
let app: INestApplication;
let url: string;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'espalier-push-'));
  store = diskContentStore(join(directory, 'content'));
  pins = new PinBook(store.shelf, systemClock);
  room = undefined;
  const measure = () => (room ? Promise.resolve(room) : undefined);
  @Module({
    controllers: [StagingController, StagingServersController, BlobsController],
    providers: [
      ByteBodies,
      { provide: APP_FILTER, useClass: ErrorFilter },
      { provide: CONTENT_STORE, useFactory: () => store },
      { provide: STAGING_MAILBOXES, useValue: new Mailboxes(() => () => undefined, systemClock) },
      { provide: UPLINK, useFactory: () => linkGate(unlimited, systemClock) },
      { provide: CONTROL_KEYS, useValue: tokens },
      { provide: Roster, useFactory: () => new Roster(memoryLog()) },
      { provide: AgentRequests, useFactory: () => new AgentRequests(nobody, systemClock) },
      { provide: PushedTrees, useFactory: () => new PushedTrees({ store, pins, room: measure }) },
    ],
  })
  class TestModule {}
  app = await NestFactory.create(TestModule, new FastifyAdapter(), { logger: false });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
  mkdirSync(join(directory, 'site/css'), { recursive: true });
  stage('index.html', 'hello');
  stage('css/main.css', 'body {}');
  stage('large', 'x'.repeat(3_000_000));
});

afterEach(async () => {
  await closeApplication(app, systemClock);
  rmSync(directory, { recursive: true });
});

const stage = (path: string, content: string) =>
  writeFileSync(join(directory, 'site', path), content);

interface Sent {
  readonly status: number;
  readonly text: string;
}

async function send(
  method: string,
  path: string,
  body: Uint8Array | ReadableStream,
  sizeBytes: number,
  authorization = `Bearer ${token}`,
): Promise<Sent> {
  const headers = {
    ...(authorization ? { authorization } : {}),
    'content-type': 'application/octet-stream',
    'content-length': String(sizeBytes),
  };
  const init = { method, headers, body, duplex: 'half' } as unknown as RequestInit;
  const response = await fetch(`${url}${path}`, init);
  return { status: response.status, text: await response.text() };
}

async function push(uploads: string[] = []) {
  const { root, manifest } = await scanTree(join(directory, 'site'), { rules: [] });
  const pushed = await pushTree({ site: 'www', root, manifest }, async (...request) => {
    if (request[1].includes('/blobs/')) uploads.push(request[1]);
    const { status, text } = await send(...request);
    if (status >= 300) throw new Error(text);
    return text === '' ? undefined : JSON.parse(text);
  });
  return { pushed, manifest };
}

async function pinned(): Promise<Manifest> {
  const digest = (await pins.find(pushedPin('www')))?.manifests[0] ?? '';
  return store.readManifest(digest);
}

test('a pushed tree is here whole, and is what the next run takes', async () => {
  const { pushed, manifest } = await push();
  expect(pushed).toMatchObject({ files: 3, sentFiles: 3, sentBytes: 3_000_012 });
  expect(pushed.treeDigest).toBe(treeDigest(manifest));
  expect(await pinned()).toEqual(manifest);
  expect(await store.verify()).toEqual([]);
  const young = { ...systemClock, nowMs: () => systemClock.nowMs() + 9_000 };
  expect(await collectGarbage(store, { clock: young, graceMs: 0 })).toMatchObject({
    isComplete: true,
    removedBlobs: 0,
  });
});

test('only what is new is sent', async () => {
  await push();
  stage('index.html', 'hello again');
  const uploads: string[] = [];
  const { pushed } = await push(uploads);
  expect(pushed).toMatchObject({ files: 3, sentFiles: 1, sentBytes: 11 });
  expect(uploads).toHaveLength(1);
  expect(await push([])).toMatchObject({ pushed: { sentFiles: 0 } });
});

test('a file that changed after the scan is refused, and the tree with it', async () => {
  const { root, manifest } = await scanTree(join(directory, 'site'), { rules: [] });
  stage('large', 'y'.repeat(3_000_000));
  const refused = pushTree({ site: 'www', root, manifest }, async (...request) => {
    const { status, text } = await send(...request);
    if (status >= 300) throw new Error(text);
    return text === '' ? undefined : JSON.parse(text);
  });
  await expect(refused).rejects.toThrow('has the digest');
  expect(await pins.find(pushedPin('www'))).toBeUndefined();
});

test('a tree whose content is not all here is not taken', async () => {
  const { manifest } = await scanTree(join(directory, 'site'), { rules: [] });
  const bytes = encodeManifest(manifest);
  const { status, text } = await send('PUT', '/api/v1/sites/www/pushed', bytes, bytes.length);
  expect(status).toBe(409);
  expect(JSON.parse(text).code).toBe('ContentNotPushed');
});

test('bytes that are no manifest, no site or no such blob are refused', async () => {
  const bytes = Buffer.from('nonsense');
  const bad: [string, string][] = [
    ['POST', '/api/v1/sites/www/pushed/lacking'],
    ['PUT', '/api/v1/sites/www/pushed'],
    ['PUT', '/api/v1/manifests'],
    ['PUT', '/api/v1/sites/..%2Fx/pushed'],
    ['PUT', '/api/v1/sites/www/pushed?server=..%2Fbuild'],
    ['POST', '/api/v1/staging/..%2Fbuild/poll'],
    ['POST', '/api/v1/staging/build/poll'],
    ['PUT', `/api/v1/blobs/${'0'.repeat(64)}`],
    ['PUT', '/api/v1/blobs/..%2F..%2Fpasswd'],
  ];
  for (const [method, path] of bad) {
    expect((await send(method, path, bytes, bytes.length)).status).toBe(400);
  }
  for await (const blob of store.blobs()) throw new Error(`${blob.digest} was stored`);
});

test('only who shows the staging token may bring anything', async () => {
  const bytes = Buffer.from('hello');
  const digest = createHash('sha256').update(bytes).digest('hex');
  const routes: [string, string][] = [
    ['POST', '/api/v1/sites/www/pushed/lacking'],
    ['PUT', '/api/v1/sites/www/pushed'],
    ['PUT', '/api/v1/manifests'],
    ['POST', '/api/v1/staging/build/poll'],
    ['PUT', `/api/v1/blobs/${digest}`],
  ];
  for (const [method, path] of routes) {
    for (const shown of ['', 'Bearer', 'Bearer espt_wrong', `Basic ${token}`]) {
      const { status, text } = await send(method, path, bytes, bytes.length, shown);
      expect({ status, code: JSON.parse(text).code }).toEqual({
        status: 401,
        code: 'NoStagingServer',
      });
    }
  }
  expect(await store.has(digest)).toBe(false);
});

test('what does not fit is refused before anything is sent', async () => {
  room = { freeBytes: 1000 };
  const uploads: string[] = [];
  await expect(push(uploads)).rejects.toThrow('ContentStoreFull');
  expect(uploads).toEqual([]);
});

test('a blob is served, and a missing one is not found', async () => {
  const { manifest } = await push();
  const [entry] = manifest.filter(({ path }) => path === 'index.html');
  const digest = entry?.type === 'file' ? entry.digest : '';
  const authorization = `Bearer ${contentToken}`;
  const found = await fetch(`${url}/blobs/${digest}`, { headers: { authorization } });
  expect(await found.text()).toBe('hello');
  for (const onlyLocal of ['', '1']) {
    const headers = { authorization, 'espalier-only-local': onlyLocal };
    const response = await fetch(`${url}/blobs/${'0'.repeat(64)}`, { headers });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'BlobNotFound' });
  }
});
