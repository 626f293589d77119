import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { diskContentStore } from '#libs/content-store/adapters/disk-store.js';
import { fetchingStore, httpSource } from '#libs/content-store/adapters/fetching-store.js';
import { memoryContentStore } from '#libs/content-store/adapters/memory-store.js';
import { strideQuery } from '#libs/content-store/http-stride.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { signatureHeaders } from '#libs/keys/http-signature.js';
import { closeApplication } from '#libs/nest-jetstream/close-application.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { linkGate } from '#libs/tree/adapters/host-link.js';
import { type LinkLimits, minuteOfDay, unlimited } from '#libs/tree/link-limits.js';
import { AgentRequests } from '../../app/agent-requests.js';
import { Roster } from '../../app/roster.js';
import { CONTENT_STORE, CONTROL_KEYS, UPLINK } from '../../tokens.js';
import { BlobsController } from './blobs.controller.js';
import { ErrorFilter } from './error.filter.js';

const token = 'espc_right';
const authorization = `Bearer ${token}`;
const key = signingKeyFromPem(generatePrivateKeyPem());
const content = Buffer.from(Array.from({ length: 2_000_000 }, byteFrom(seededRandom(1))));
const closing: (() => Promise<void>)[] = [];

function byteFrom(random: () => number) {
  return () => Math.floor(random() * 256);
}

let digest: string;
let url: string;

async function startGateway(limits: LinkLimits) {
  const directory = mkdtempSync(join(tmpdir(), 'espalier-blobs-'));
  const store = diskContentStore(directory);
  digest = await store.write(content);
  const keyOf = async (node: string) => (node === 'paris-1' ? key.publicKey : undefined);
  @Module({
    controllers: [BlobsController],
    providers: [
      { provide: APP_FILTER, useClass: ErrorFilter },
      { provide: CONTENT_STORE, useFactory: () => store },
      { provide: UPLINK, useFactory: () => linkGate(limits, systemClock) },
      { provide: CONTROL_KEYS, useValue: { contentToken: async () => token } },
      { provide: Roster, useFactory: () => new Roster(memoryLog()) },
      { provide: AgentRequests, useFactory: () => new AgentRequests(keyOf, systemClock) },
    ],
  })
  class TestModule {}
  const app: INestApplication = await NestFactory.create(TestModule, new FastifyAdapter(), {
    logger: false,
  });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
  closing.push(async () => {
    await closeApplication(app, systemClock);
    rmSync(directory, { recursive: true });
  });
}

beforeEach(() => startGateway(unlimited));
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${url}${path}`, { headers });

const signedBy = (node: string, own: typeof key, path: string, nonce: string) =>
  signatureHeaders(
    node,
    own,
    { method: 'GET', path, body: new Uint8Array() },
    systemClock.nowMs(),
    nonce,
  );

describe('content over plain HTTP', () => {
  test.each([
    ['nothing', {}],
    ['a wrong token', { authorization: 'Bearer espc_wrong' }],
    ['no token', { authorization: 'Bearer ' }],
  ])('is not for who shows %s', async (_what, headers: Record<string, string>) => {
    for (const path of [`/blobs/${digest}`, `/blobs/${'0'.repeat(64)}`]) {
      const response = await get(path, headers);
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ code: 'NoContentCredential' });
    }
  });

  test('is for who shows the content token: another host fetches what it lacks', async () => {
    const local = memoryContentStore();
    const store = fetchingStore(local, [httpSource(url, () => token)]);
    expect(await store.sizeBytes(digest)).toBe(content.length);
    const stranger = fetchingStore(memoryContentStore(), [httpSource(url)]);
    await expect(stranger.sizeBytes(digest)).rejects.toThrow('it answered 403');
  });

  test('is for an enrolled agent that signs its request, once', async () => {
    const path = `/blobs/${digest}`;
    const headers = signedBy('paris-1', key, path, 'abcdefghijklmnop');
    const response = await get(path, { ...headers, range: 'bytes=5-9' });
    expect(response.status).toBe(206);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(content.subarray(5, 10));
    expect((await get(path, headers)).status).toBe(401);
  });

  test('is not for who signs in the name of another, or something else', async () => {
    const path = `/blobs/${digest}`;
    const stranger = signingKeyFromPem(generatePrivateKeyPem());
    const cases = [
      signedBy('paris-1', stranger, path, 'aaaaaaaaaaaaaaaaaaaa'),
      signedBy('rome-1', key, path, 'bbbbbbbbbbbbbbbbbbbb'),
      signedBy('paris-1', key, `/blobs/${'1'.repeat(64)}`, 'cccccccccccccccccccc'),
    ];
    for (const headers of cases) expect((await get(path, headers)).status).toBe(401);
  });
});

test('a stripe of a blob is one answer', async () => {
  const stride = { fromByte: 1_000, takeBytes: 70_000, everyBytes: 300_000 };
  const response = await get(`/blobs/${digest}?${strideQuery(stride)}`, { authorization });
  const parts: Buffer[] = [];
  for (let at = 1_000; at < content.length; at += 300_000) {
    parts.push(content.subarray(at, at + 70_000));
  }
  expect(response.status).toBe(200);
  expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.concat(parts));
  const beyond = strideQuery({ ...stride, fromByte: content.length });
  expect((await get(`/blobs/${digest}?${beyond}`, { authorization })).status).toBe(416);
});

describe('the limit of the uplink', () => {
  const bytesPerS = 4_000_000;
  const minute = minuteOfDay(systemClock.nowMs());
  const around = { fromMinute: (minute + 1_435) % 1_440, toMinute: (minute + 5) % 1_440 };
  const allAtOnce = async (limits: LinkLimits) => {
    await startGateway(limits);
    const startedMs = performance.now();
    const answers = await Promise.all(
      [1, 2, 3].map(() => get(`/blobs/${digest}`, { authorization })),
    );
    for (const answer of answers) expect((await answer.arrayBuffer()).byteLength).toBe(2_000_000);
    return performance.now() - startedMs;
  };
  const leastMs = ((3 * content.length) / bytesPerS) * 1_000 * 0.9;

  test('holds for all who pull at a time, on sockets', async () => {
    expect(await allAtOnce({ otherwise: bytesPerS, windows: [] })).toBeGreaterThan(leastMs);
  });

  test('holds at its time of day', async () => {
    const windows = [{ ...around, bytesPerS }];
    expect(await allAtOnce({ otherwise: undefined, windows })).toBeGreaterThan(leastMs);
    const unlimitedNow = [{ ...around, bytesPerS: undefined }];
    const tookMs = await allAtOnce({ otherwise: bytesPerS, windows: unlimitedNow });
    expect(tookMs).toBeLessThan(leastMs);
  });
});
