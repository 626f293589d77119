import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import {
  CreateSiteSchema,
  event,
  JobType,
  type RecordedEvent,
  RequestRunSchema,
} from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { type RunningService, startService } from '#libs/nest-jetstream/service.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { type TestNats, withNats } from '#test/support/servers.js';
import { definition } from '../service.js';

let server: TestNats;
let nats: NatsConnection;
let log: EventLog;
let service: RunningService;
let client: ServiceClient;

beforeAll(async () => {
  server = await withNats();
  const { url: natsUrl, monitorUrl: natsMonitorUrl, user: natsUser, password } = server;
  const config = {
    natsUrl,
    natsUser,
    natsPassword: password,
    natsMonitorUrl,
    httpHost: '127.0.0.1',
    dataDir: '',
    allowLazySync: false,
  };
  service = await startService(definition, config, silentLogger);
  nats = await connect({ servers: natsUrl, user: natsUser, pass: password });
  log = await openJetStreamLog(nats, {
    allowLazySync: false,
    monitorUrl: natsMonitorUrl,
    logger: silentLogger,
  });
  client = new ServiceClient(nats);
});

afterAll(async () => {
  await nats.close();
  await service.close();
  await server.stop();
});

const runId = '01920000-0000-7000-8000-000000000001';

function requestRun(commandId: string) {
  const request = { runId, site: 'www', type: JobType.PUBLISH, dryRun: true };
  const caller = { actor: 'cli:test', commandId };
  return client.command('scheduler', 'RequestRun', RequestRunSchema, request, caller);
}

async function newestOfRun(type: string): Promise<RecordedEvent> {
  const subscription = log.subscribe({ afterSequence: 0, aggregateTypes: ['run'] });
  for await (const recorded of subscription) {
    if (recorded.type !== type) continue;
    await subscription.close();
    return recorded;
  }
  throw new Error('the log ended');
}

describe('the scheduler as a service', () => {
  test('refuses with the code and the remedy that a user needs', async () => {
    await expect(requestRun('too-early')).rejects.toMatchObject({
      code: 'UnknownSite',
      remedy: expect.stringContaining('site create'),
    });
  });

  test('accepts commands, and closes a run when its outcome is in the log', async () => {
    const site = { site: 'www', staging: '/srv/www' };
    const caller = { actor: 'cli:test', commandId: 'create' };
    await client.command('scheduler', 'CreateSite', CreateSiteSchema, site, caller);
    const accepted = await requestRun('publish');
    expect(accepted).toEqual({ id: runId, sequence: await log.lastSequence() });
    const context = { actor: 'service:reporting', correlationId: runId, causationId: 'test' };
    const completed = event('RunCompleted', { runId, site: 'www', nothingChanged: true });
    await log.append({ type: 'outcome', id: runId }, noEvents, [completed], context, 1);
    expect((await newestOfRun('RunClosed')).data).toMatchObject({ runId, status: 'completed' });
  });
});
