import 'reflect-metadata';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { type EmbeddedNats, startNats } from '#deploy/embedded/nats.js';
import type { Supervised } from '#deploy/embedded/supervise.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import {
  AuditVerdictSchema,
  AuditVerifyQuerySchema,
  event,
  subjects,
} from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import {
  type RunningService,
  type ServiceConfig,
  startService,
} from '#libs/nest-jetstream/service.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { scratchDirectory, type TestPostgres, withPostgres } from '#test/support/servers.js';
import { until } from '#test/support/until.js';
import { definition } from './service.js';

const timeoutMs = 60_000;
const { NATS_URL, ...env } = process.env;
let directory: string;
let server: Required<EmbeddedNats>;
let postgres: TestPostgres;
let nats: NatsConnection;
let log: EventLog;
let config: ServiceConfig;
let service: RunningService;
let client: ServiceClient;

beforeAll(async () => {
  directory = await scratchDirectory();
  server = (await startNats({ dataDir: directory, env })) as Required<EmbeddedNats>;
  postgres = await withPostgres();
  const { url: natsUrl, user: natsUser, password: natsPassword, monitorUrl } = server;
  nats = await connect({
    servers: natsUrl,
    user: natsUser,
    pass: natsPassword,
    reconnectTimeWait: 100,
    maxReconnectAttempts: -1,
  });
  log = await openJetStreamLog(nats, { allowLazySync: false, monitorUrl });
  config = {
    ...{ natsUrl, natsUser, natsPassword, natsMonitorUrl: monitorUrl },
    ...{ databaseUrl: postgres.url, httpHost: '127.0.0.1', httpPort: 0 },
    ...{ dataDir: directory, allowLazySync: false },
  };
  service = await startService(definition, config, silentLogger);
  client = new ServiceClient(nats);
}, timeoutMs);

afterAll(async () => {
  await service.close();
  await nats.close();
  await postgres.stop();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
}, timeoutMs);

async function append(site: string): Promise<number> {
  const context = { actor: 'cli:ann', correlationId: site, causationId: `create-${site}` };
  const created = [event('SiteCreated', { site })];
  const nowMs = systemClock.nowMs();
  const aggregate = { type: 'site', id: site } as const;
  const [recorded] = await log.append(aggregate, noEvents, created, context, nowMs);
  return recorded?.sequence ?? 0;
}

function verify() {
  const subject = subjects.command('reporting', 'AuditVerify');
  return client.request(subject, AuditVerifyQuerySchema, AuditVerdictSchema, {}, 30_000);
}

const ready = async () => (await fetch(`${service.url}/readyz`)).status;
const reasons = async () => (await service.readiness()).reasons.join();

describe('a bit flipped in the stream', () => {
  it('is found by audit verify and readyz, which name the event', async () => {
    for (const site of ['before', 'with-a-name-to-find', 'after']) await append(site);
    expect(await verify()).toMatchObject({ sound: true });
    const supervised = (server as unknown as { server: Supervised }).server;
    await supervised.stop();
    flipBit(join(directory, 'nats', 'jetstream'), 'with-a-name-to-find');
    await supervised.start();
    const verdict = await until('it is found', async () => {
      const found = await verify();
      return !found.sound && found;
    });
    expect(verdict.firstBadSequence).toBe(2n);
    expect(await reasons()).toContain('the log is damaged at event 2: ');
    expect(await ready()).toBe(503);
  }, 150_000);

  it(
    'is found at once where the server cut the log off there',
    async () => {
      await service.close();
      const supervised = (server as unknown as { server: Supervised }).server;
      await supervised.stop('SIGKILL');
      const store = join(directory, 'nats', 'jetstream');
      for (const name of filesOf(store, '/msgs/index.db')) rmSync(join(store, name));
      await supervised.start();
      service = await startService(definition, config, silentLogger);
      await until('it is told', async () => /the log ends at event 1, /.test(await reasons()));
      expect(await append('later')).toBe(2);
      expect(await verify()).toMatchObject({ sound: false, firstBadSequence: 2n });
      expect(await ready()).toBe(503);
    },
    timeoutMs,
  );
});
/** Changes one bit of a text in a block of the stream. */
function flipBit(store: string, text: string): void {
  for (const name of filesOf(store, '.blk')) {
    const path = join(store, name);
    const bytes = readFileSync(path);
    const at = bytes.lastIndexOf(text);
    if (at < 0) continue;
    bytes[at + 2] = (bytes[at + 2] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    return;
  }
  throw new Error(`${text} is in no block`);
}

/** Files of the stream of events. */
function filesOf(store: string, end: string): string[] {
  const files = readdirSync(store, { recursive: true, encoding: 'utf8' });
  return files.filter((each) => each.includes('/EVENTS/') && each.endsWith(end));
}
