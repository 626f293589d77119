import 'reflect-metadata';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { diskContentStore } from '#libs/content-store/adapters/disk-store.js';
import { event, JobType } from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { type RunningService, startService } from '#libs/nest-jetstream/service.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { type TestNats, withNats } from '#test/support/servers.js';
import { definition } from './service.js';

let directory: string;
let server: TestNats;
let service: RunningService;
let nats: NatsConnection;
let log: EventLog;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'espalier-delta-'));
  server = await withNats();
  const { url: natsUrl, monitorUrl: natsMonitorUrl, user, password } = server;
  const access = { natsUser: user, natsPassword: password };
  const dataDir = join(directory, 'data');
  const httpHost = '127.0.0.1';
  const config = { natsUrl, ...access, natsMonitorUrl, httpHost, dataDir, allowLazySync: false };
  service = await startService(definition, config, silentLogger);
  nats = await connect({ servers: server.url, user, pass: password });
  log = await openJetStreamLog(nats, { allowLazySync: true });
});

afterEach(async () => {
  await service.close();
  await nats.close();
  await server.stop();
  rmSync(directory, { recursive: true });
});

describe('the delta service', () => {
  test('answers the start of a publish with a change set and its content', async () => {
    const staging = join(directory, 'staging');
    mkdirSync(staging);
    writeFileSync(join(staging, 'index.html'), 'hello');
    const changes = log.subscribe({ afterSequence: 0, aggregateTypes: ['changeset'] });
    const run = { runId: 'run-1', site: 'www', type: JobType.PUBLISH, staging };
    const context = { actor: 'test', correlationId: 'run-1', causationId: 'test-1' };
    const started = [event('RunStarted', run)];
    await log.append({ type: 'run', id: 'run-1' }, noEvents, started, context, 1_000);
    for await (const computed of changes) {
      expect(computed.context).toMatchObject({ actor: 'service:delta', correlationId: 'run-1' });
      if (computed.type !== 'ChangeSetComputed') throw new Error(`unexpected ${computed.type}`);
      expect(computed.data.counts).toMatchObject({ added: 1, files: 1 });
      const store = diskContentStore(join(directory, 'data', 'content'));
      const digest = Buffer.from(computed.data.resultManifestDigest).toString('hex');
      const [entry] = await store.readManifest(digest);
      expect(entry).toMatchObject({ path: 'index.html', sizeBytes: 5 });
      expect(entry?.type === 'file' && (await store.has(entry.digest))).toBe(true);
      break;
    }
    await changes.close();
  });
});
