import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Webhook as Verifier } from 'standardwebhooks';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { event, RegisterWebhookSchema } from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { type TestNats, withNats } from '#test/support/servers.js';
import { until } from '#test/support/until.js';
import { Webhooks } from '../../app/webhooks.js';
import { secretOf } from '../webhook-sender.js';
import { webhookDeliveries } from './webhook-deliveries.js';

interface Posted {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const key = signingKeyFromPem(generatePrivateKeyPem());
const caller = { actor: 'cli:ann', commandId: 'c' };
let serial = 0;
let server: TestNats;
let nats: NatsConnection;
let log: EventLog;
let webhooks: Webhooks;
let receiver: Server;
let url: string;
let posted: Posted[];
/** What the receiver answers, in turn; then 204. */
let answers: number[];

beforeAll(async () => {
  server = await withNats();
  nats = await connect({ servers: server.url, user: server.user, pass: server.password });
  log = await openJetStreamLog(nats, { allowLazySync: false, monitorUrl: server.monitorUrl });
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => {
      posted.push({ headers: request.headers, body });
      response.writeHead(answers.shift() ?? 204).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
});
afterAll(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await nats.close();
  await server.stop();
});

beforeEach(async () => {
  posted = [];
  answers = [];
  const given = { nats, clock: systemClock, logger: silentLogger, key };
  webhooks = await Webhooks.start(log, systemClock, silentLogger, ({ settings, sequence }, all) =>
    webhookDeliveries(settings, sequence, all, given, [20, 20]),
  );
});
afterEach(() => webhooks.close());

async function register(more: { types?: string[]; sites?: string[]; format?: string } = {}) {
  const webhook = `hook-${++serial}`;
  const settings = create(RegisterWebhookSchema, { webhook, url, ...more });
  await webhooks.register(settings, { ...caller, commandId: webhook });
  return webhook;
}

async function request(site: string): Promise<void> {
  const runId = `run-${++serial}`;
  const context = { actor: 'test', correlationId: runId, causationId: runId };
  const events = [event('RunRequested', { runId, site })];
  await log.append({ type: 'run', id: runId }, noEvents, events, context, 0);
}

const change = (webhook: string, type: 'disable' | 'enable' | 'delete') =>
  webhooks.change(webhook, { type, webhook, reason: 'test' } as never, {
    ...caller,
    commandId: `${type}-${++serial}`,
  });

async function typesOf(webhook: string): Promise<string[]> {
  return (await log.read({ type: 'webhook', id: webhook })).map(({ type }) => type);
}

describe('webhooks', () => {
  it('post the events that are wanted, signed, each under its own id', async () => {
    await request('before');
    const webhook = await register({ types: ['RunRequested'], sites: ['www'] });
    await request('shop');
    await request('www');
    await until('one event is posted', () => posted.length === 1);
    const { headers, body } = posted[0] as Posted;
    const verified = new Verifier(secretOf(key, webhook)).verify(
      body,
      headers as Record<string, string>,
    ) as { id: string; data: { site: string } };
    expect(verified.data.site).toBe('www');
    expect(headers['webhook-id']).toBe(verified.id);
    expect(() =>
      new Verifier(secretOf(key, 'other')).verify(body, headers as Record<string, string>),
    ).toThrow();
    await change(webhook, 'delete');
  });

  it('try again what fails, under the same id', async () => {
    const webhook = await register({ types: ['RunRequested'] });
    answers = [500, 503];
    await request('www');
    await until('it is posted three times', () => posted.length === 3);
    expect(new Set(posted.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(await typesOf(webhook)).toEqual(['WebhookRegistered']);
    await change(webhook, 'delete');
  });

  it('give up at the end, and say so in the log', async () => {
    const webhook = await register({ types: ['RunRequested'] });
    answers = [500, 500, 500];
    await request('www');
    await until('it is given up', async () => (await typesOf(webhook)).length === 2);
    const failed = (await log.read({ type: 'webhook', id: webhook })).at(-1);
    expect(failed).toMatchObject({
      type: 'WebhookDeliveryFailed',
      data: { attempts: 3, reason: 'HTTP 500' },
    });
    await change(webhook, 'delete');
  });

  it('stop when their receiver is gone, and go on where they stopped when enabled', async () => {
    const webhook = await register({ types: ['RunRequested'] });
    answers = [410];
    await request('first');
    await until('it is disabled', async () => (await typesOf(webhook)).includes('WebhookDisabled'));
    await request('second');
    expect(webhooks.all.find(({ settings }) => settings.webhook === webhook)?.disabledFor).toMatch(
      /410/,
    );
    await change(webhook, 'enable');
    const sites = () => posted.map(({ body }) => JSON.parse(body).data.site).slice(1);
    await until('both are posted', () => sites().length === 2);
    expect(sites().sort()).toEqual(['first', 'second']);
    await change(webhook, 'delete');
  });

  it('speak CDEvents when asked', async () => {
    const webhook = await register({ format: 'cdevents' });
    await request('www');
    await until('it is posted', () => posted.length === 1);
    expect(JSON.parse(posted[0]?.body ?? '').context.type).toMatch(/pipelinerun.queued/);
    await change(webhook, 'delete');
  });

  it.each([
    ['a URL that is none', { url: 'ftp://x' }],
    ['an unknown event', { types: ['RunExploded'] }],
    ['an unknown format', { format: 'xml' }],
    ['a bad name', { webhook: 'Not a name' }],
  ])('refuse %s', async (_what, wrong) => {
    const settings = create(RegisterWebhookSchema, { webhook: 'fine', url, ...wrong });
    await expect(webhooks.register(settings, caller)).rejects.toMatchObject({
      name: 'InvalidWebhook',
    });
  });
});
