import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import {
  type DomainEvent,
  EnrolNodeSchema,
  type IngressKind,
  IngressReportSchema,
  NextLeaderReplySchema,
  NextLeaderRequestSchema,
  type Notification,
  NotificationSchema,
  SignedReportSchema,
  subjects,
} from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { ownerOf } from '#libs/event-log/event-owners.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { signReport } from '#libs/keys/signed-report.js';
import { type RunningService, startService } from '#libs/nest-jetstream/service.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { type TestNats, withNats } from '#test/support/servers.js';
import { assignmentBuilt, assignmentId, runId, runStarted } from '../domain/planner-fixture.js';
import { definition } from '../service.js';

const dataDir = mkdtempSync(join(tmpdir(), 'espalier-planner-'));
let server: TestNats;
let nats: NatsConnection;
let log: EventLog;
let service: RunningService;
let client: ServiceClient;
const key = signingKeyFromPem(generatePrivateKeyPem());

beforeAll(async () => {
  server = await withNats();
  process.env.ESPALIER_ORIGIN_URL = 'http://origin/';
  service = await start();
  const { url: servers, monitorUrl } = server;
  nats = await connect({ servers, user: server.user, pass: server.password });
  log = await openJetStreamLog(nats, { allowLazySync: false, monitorUrl, logger: silentLogger });
  client = new ServiceClient(nats);
});

afterAll(async () => {
  delete process.env.ESPALIER_ORIGIN_URL;
  await nats.close();
  await service.close();
  await server.stop();
  rmSync(dataDir, { recursive: true });
});

function start(): Promise<RunningService> {
  const { url: natsUrl, monitorUrl: natsMonitorUrl, user: natsUser, password } = server;
  const config = {
    natsUrl,
    natsUser,
    natsPassword: password,
    natsMonitorUrl,
    httpHost: '127.0.0.1',
    dataDir,
    allowLazySync: false,
  };
  return startService(definition, config, silentLogger);
}

/** The agent `paris-1`: enrolled, and confirming what it is told. */
async function agent() {
  const command = { node: 'paris-1', segment: 'paris', publicKey: key.publicKey };
  const caller = { actor: 'gateway', commandId: 'enrol' };
  await client.command('tree-planner', 'EnrolNode', EnrolNodeSchema, command, caller);
  const told: Notification[] = [];
  let heard: () => void = () => undefined;
  nats.subscribe(subjects.agentNotification('paris-1'), {
    callback: (_error, message) => {
      told.push(fromBinary(NotificationSchema, message.data));
      message.respond();
      heard();
    },
  });
  return {
    told,
    async hears(count: number): Promise<void> {
      while (told.length < count) {
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
      }
    },
  };
}

async function report(kind: IngressKind, given: Parameters<typeof reportOf>[0]) {
  const payload = toBinary(SignedReportSchema, reportOf(given));
  await jetstream(nats).publish(subjects.ingressOf('paris-1', kind), payload);
}

function reportOf(given: { reportId: string; case: 'segment' | 'received' }) {
  const segment = 'paris';
  const { reportId } = given;
  const leader = 'paris-1';
  const httpUrl = 'http://paris-1';
  const members = [{ node: leader }];
  const networkSegment = { segment, leader, term: 1n, httpUrl, members };
  const received = { assignmentId, segment, bytes: 9n, source: 'origin' };
  const content =
    given.case === 'segment'
      ? ({ case: 'networkSegment', value: networkSegment } as const)
      : ({ case: 'received', value: received } as const);
  const made = create(IngressReportSchema, { reportId, report: content });
  return signReport('paris-1', key, made);
}

async function append(id: string, happened: DomainEvent) {
  const context = { actor: 'test', correlationId: runId, causationId: happened.type };
  const aggregate = { type: ownerOf[happened.type], id };
  await log.append(aggregate, noEvents, [happened], context, 1);
}

async function logged(type: string): Promise<void> {
  const subscription = log.subscribe({ afterSequence: 0 });
  for await (const recorded of subscription) {
    if (recorded.type === type) await subscription.close();
  }
}

describe('the tree planner as a service', () => {
  test('brings an assignment to a leader, and again when the service restarts', async () => {
    const paris = await agent();
    await report('segment', { reportId: 'one', case: 'segment' });
    await logged('SegmentChanged');
    await append(runId, runStarted());
    await append('www', assignmentBuilt(['paris']));
    await paris.hears(1);
    expect(paris.told[0]).toMatchObject({
      assignmentId,
      segment: 'paris',
      sourceUrls: ['http://origin'],
    });
    await service.close();
    service = await start();
    await paris.hears(2);
    await report('received', { reportId: 'two', case: 'received' });
    await logged('DistributionCompleted');
    const events = await log.read({ type: 'distribution', id: assignmentId });
    expect(events.map(({ type }) => type)).toEqual([
      'DistributionPlanned',
      'LeaderNotified',
      'LeaderReceived',
      'DistributionCompleted',
    ]);
  });

  test('says that nobody is left when all leaders were told', async () => {
    expect((await nextAskedBy('paris-1')).next).toBeUndefined();
  });

  test('tells no leader what another one is to do', async () => {
    const refusal = { code: 'AskedForAnother' };
    await expect(nextAskedBy('rome-1')).rejects.toMatchObject(refusal);
  });
});

/** Who is next after `paris-1`. */
function nextAskedBy(node: string) {
  return client.request(
    subjects.agentRequest('tree-planner', 'next', node),
    NextLeaderRequestSchema,
    NextLeaderReplySchema,
    { assignmentId, segment: 'paris', leader: 'paris-1' },
    2_000,
  );
}
