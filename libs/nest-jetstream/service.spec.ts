import 'reflect-metadata';
import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { Controller, Inject, Module } from '@nestjs/common';
import {
  type CreateSite,
  CreateSiteSchema,
  DomainError,
  event,
  type ListQuery,
  ListQuerySchema,
  partitionOf,
  type RecordedEvent,
  RunQuerySchema,
  subjects,
} from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { scratchDirectory, type TestNats, withNats } from '#test/support/servers.js';
import { until } from '#test/support/until.js';
import { type Caller, commandContext, contextOf } from './context.js';
import { OnCommand, OnEvent, OnIngress, OnRequest } from './decorators.js';
import { Unhandleable } from './durable-consumer.js';
import { NoDeadLetters, ParkedAggregates } from './parked-aggregates.js';
import { type RunningService, startService } from './service.js';
import { CommandRefusedError, ServiceClient, ServiceUnavailable } from './service-client.js';
import { EVENT_LOG } from './tokens.js';

class UnknownSite extends DomainError {
  override readonly name = 'UnknownSite';
}

const handled: string[] = [];
let failuresLeft = 0;
let isBroken = false;
let whenHandled: () => void = () => undefined;
let gate: Promise<void> = Promise.resolve();

@Controller()
class Probe {
  constructor(@Inject(EVENT_LOG) private readonly log: EventLog) {}

  @OnEvent('SiteCreated')
  @OnEvent('GroupCreated')
  async created(created: RecordedEvent<'SiteCreated' | 'GroupCreated'>): Promise<void> {
    await gate;
    if (isBroken && created.data.site === 'www') throw new Unhandleable('a rule is missing');
    if (failuresLeft > 0 && created.type === 'SiteCreated') {
      failuresLeft -= 1;
      throw new Error('not yet');
    }
    handled.push(`${created.type} ${created.data.site} ${contextOf(created, 'probe').actor}`);
    whenHandled();
  }

  @OnIngress('received')
  async received(): Promise<void> {
    await gate;
    handled.push('received');
    whenHandled();
  }

  @OnCommand('probe', 'CreateSite', CreateSiteSchema)
  async create(command: CreateSite, caller: Caller): Promise<{ id: string; sequence: number }> {
    if (command.site === 'unknown') throw new UnknownSite('no such site', 'create it: ☃');
    if (command.site === 'broken') throw new Error('secret detail');
    const events = [event('SiteCreated', { site: command.site })];
    const context = commandContext(caller, 'c');
    const aggregate = { type: 'site', id: command.site } as const;
    const [recorded] = await this.log.append(aggregate, noEvents, events, context, 1);
    return { id: caller.actor, sequence: recorded?.sequence ?? 0 };
  }

  @OnRequest(subjects.agentRequest('probe', 'next', '*'), ListQuerySchema, RunQuerySchema)
  async next(query: ListQuery, { actor }: Caller) {
    if (query.kind === 'unknown') throw new UnknownSite('no such kind', 'ask for another');
    return { runId: `${actor} ${query.kind}`, atSequence: query.atSequence };
  }
}

@Module({ controllers: [Probe] })
class ProbeModule {}

let server: TestNats;
let service: RunningService;
let nats: NatsConnection;
let log: EventLog;
let dataDir: string;
const caller = { actor: 'cli:zoë', commandId: 'command-1' };

beforeEach(async () => {
  server = await withNats();
  dataDir = await scratchDirectory();
  const config = {
    natsUrl: server.url,
    natsUser: server.user,
    natsPassword: server.password,
    natsMonitorUrl: server.monitorUrl,
    httpHost: '127.0.0.1',
    httpPort: 0,
    dataDir,
    allowLazySync: false,
  };
  service = await startService({ name: 'probe', module: ProbeModule }, config, silentLogger);
  nats = await connect({
    servers: server.url,
    user: server.user,
    pass: server.password,
    reconnectTimeWait: 100,
    maxReconnectAttempts: -1,
  });
  log = await openJetStreamLog(nats, { allowLazySync: true });
});

afterEach(async () => {
  handled.length = 0;
  failuresLeft = 0;
  isBroken = false;
  gate = Promise.resolve();
  await service.close();
  await nats.close();
  await server.stop();
  await rm(dataDir, { recursive: true });
});

/** Resolves when so many messages have been handled. */
function handledCount(count: number): Promise<void> {
  return new Promise((resolve) => {
    whenHandled = () => handled.length >= count && resolve();
    whenHandled();
  });
}

function createSite(site: string) {
  const context = { actor: 'test', correlationId: 'c', causationId: `create-${site}` };
  const aggregate = { type: 'site', id: site } as const;
  return log.append(aggregate, noEvents, [event('SiteCreated', { site })], context, 1);
}

describe('a service on JetStream', () => {
  it('hands each event to its handler, again after a failure', async () => {
    failuresLeft = 2;
    await createSite('www');
    await handledCount(1);
    expect(handled).toEqual(['SiteCreated www service:probe']);
    const context = { actor: 'test', correlationId: 'c', causationId: 'create-group' };
    const events = [event('GroupCreated', { group: 'g', site: 'www' })];
    await log.append({ type: 'group', id: 'g' }, noEvents, events, context, 1);
    await handledCount(2);
    expect(handled[1]).toBe('GroupCreated www service:probe');
  });

  it('answers a command with what it appended', async () => {
    const client = new ServiceClient(nats);
    const site = { site: 'www' };
    const reply = await client.command('probe', 'CreateSite', CreateSiteSchema, site, caller);
    expect(reply).toEqual({ id: 'cli:zoë', sequence: 1 });
    const [created] = await log.read({ type: 'site', id: 'www' });
    expect(created?.context).toMatchObject({ actor: 'cli:zoë', causationId: 'command-1' });
    expect(created?.context.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    const again = await client.command('probe', 'CreateSite', CreateSiteSchema, site, caller);
    expect(again).toEqual(reply);
  });

  it('carries a refusal with its remedy, but no detail of a fault', async () => {
    const client = new ServiceClient(nats);
    const send = (site: string) =>
      client.command('probe', 'CreateSite', CreateSiteSchema, { site }, caller);
    await expect(send('unknown')).rejects.toEqual(
      new CommandRefusedError('UnknownSite', 'no such site', 'create it: ☃'),
    );
    await expect(send('broken')).rejects.toMatchObject({
      code: 'Internal',
      message: 'the service probe failed',
    });
    const other = client.command('nobody', 'CreateSite', CreateSiteSchema, {}, caller);
    await expect(other).rejects.toThrow(ServiceUnavailable);
  });

  it('answers requests of agents, and knows by the subject whose they are', async () => {
    const client = new ServiceClient(nats);
    const subject = subjects.agentRequest('probe', 'next', 'paris 1');
    const ask = (kind: string) =>
      client.request(subject, ListQuerySchema, RunQuerySchema, { kind, atSequence: 7n }, 2000);
    expect(await ask('runs')).toMatchObject({ runId: 'agent:paris 1 runs', atSequence: 7n });
    await expect(ask('unknown')).rejects.toMatchObject({ code: 'UnknownSite' });
  });

  it('moves a report that cannot be read to the dead letters and goes on', async () => {
    await nats.request(subjects.ingressOf('paris', 'received'), new Uint8Array([255, 255]));
    await nats.request(subjects.ingressOf('paris', 'received'), new Uint8Array());
    await handledCount(1);
    const manager = await jetstreamManager(nats);
    const letter = await manager.streams.getMessage('DLQ', {
      last_by_subj: 'dlq.probe-ingress.paris.received',
    });
    expect(letter?.header.get('Espalier-Subject')).toBe('ingress.paris.received');
    expect(letter?.data).toEqual(new Uint8Array([255, 255]));
  });

  it('has dead letters handled in their order when the cause is gone, and goes on', async () => {
    const parked = new ParkedAggregates(nats, () => jetstreamManager(nats));
    const [consumer, aggregate] = ['probe-events', 'site.www'];
    isBroken = true;
    await createSite('www');
    await createSite('other');
    await handledCount(1);
    await until('it is parked', () => parked.find(consumer, aggregate));
    expect(await parked.retry(consumer, aggregate)).toEqual({
      handled: 0,
      problem: expect.stringContaining('a rule is missing'),
    });
    isBroken = false;
    expect(await parked.retry(consumer, aggregate)).toEqual({ handled: 1, problem: '' });
    expect(handled).toEqual(['SiteCreated other service:probe', 'SiteCreated www service:probe']);
    expect(await parked.list()).toEqual([]);
    await expect(parked.retry(consumer, aggregate)).rejects.toThrow(NoDeadLetters);
  });

  it('is not ready while NATS is away, and goes on when it is back', async () => {
    const ready = () => fetch(`${service.url}/readyz`);
    const client = new ServiceClient(nats);
    const caller = { actor: 'cli:ann', commandId: 'c-away' };
    expect((await ready()).status).toBe(200);
    await server.kill();
    const deadline = AbortSignal.timeout(5000);
    while ((await ready()).status !== 503) expect(deadline.aborted).toBe(false);
    expect((await service.readiness()).reasons).toEqual(['the connection to NATS is lost']);
    const refused = client.command('probe', 'CreateSite', CreateSiteSchema, {}, caller);
    await expect(refused).rejects.toThrow('NATS cannot be reached: nothing was asked for');
    expect((await fetch(`${service.url}/livez`)).status).toBe(200);
    await server.restart();
    await createSite('www');
    await handledCount(1);
    const green = AbortSignal.timeout(20_000);
    while ((await ready()).status !== 200) expect(green.aborted).toBe(false);
  });

  it('tells who asks at once that the connection was lost, whatever became of it', async () => {
    const client = new ServiceClient(nats);
    const query = [RunQuerySchema, RunQuerySchema, {}, 60_000] as const;
    nats.subscribe('silent', { callback: () => void server.kill() });
    await expect(client.request('silent', ...query)).rejects.toThrow(
      'silent: the connection to NATS was lost before it answered',
    );
    await server.restart();
  });

  it('answers commands during a flood of reports, of which it has few in hand', async () => {
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => {
      open = resolve;
    });
    const [flood, commands] = [3_000, 50];
    for (let number = 0; number < flood; number++) {
      nats.publish(subjects.ingressOf(`leader-${number % 300}`, 'received'), new Uint8Array());
    }
    const manager = await jetstreamManager(nats);
    const info = () => manager.consumers.info('INGRESS', 'probe-ingress-0');
    while ((await info()).num_ack_pending === 0) expect(handled).toEqual([]);
    const client = new ServiceClient(nats);
    for (let number = 0; number < commands; number++) {
      const command = { site: `during-${number}` };
      await client.command('probe', 'CreateSite', CreateSiteSchema, command, caller);
    }
    expect((await info()).num_ack_pending).toBeLessThanOrEqual(1_000);
    open();
    await handledCount(flood + commands);
    expect(handled.filter((what) => what === 'received')).toHaveLength(flood);
  }, 30_000);

  it('finishes what it handles before it stops', async () => {
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => {
      open = resolve;
    });
    await createSite('www');
    const manager = await jetstreamManager(nats);
    const lane = partitionOf('site', 'www') % 8;
    const info = () => manager.consumers.info('EVENTS', `probe-events-${lane}`);
    while ((await info()).num_ack_pending !== 1) expect(handled).toEqual([]);
    const closing = service.close();
    open();
    await closing;
    expect(handled).toHaveLength(1);
    expect((await info()).ack_floor.stream_seq).toBe(1);
  });
});
