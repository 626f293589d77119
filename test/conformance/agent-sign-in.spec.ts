import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { event, type IngressKind, subjects } from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { noEvents } from '#libs/event-log/event-log.js';
import { generatePrivateKeyPem, type SigningKey, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { natsPassword } from '#libs/keys/nats-sign-in.js';
import { type RunningService, startService } from '#libs/nest-jetstream/service.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { signInOptions } from '#services/agent/adapters/nats-channel.js';
import { definition as gateway } from '#services/gateway/service.js';
import { type TestNats, withNats } from '../support/servers.js';

let nats: TestNats;
let control: NatsConnection;
let service: RunningService;
const opened: NatsConnection[] = [];
const newKey = () => signingKeyFromPem(generatePrivateKeyPem());
/** `a.b` and `a` are two: a name is one token of a subject. */
const keys = {
  ...{ 'paris-1': newKey(), 'rome-1': newKey(), 'paris-1.x': newKey() },
  /** It has left for good. */
  'nice-1': newKey(),
};
type Node = keyof typeof keys;

beforeAll(async () => {
  nats = await withNats();
  const { url: natsUrl, user: natsUser, password: natsPassword, monitorUrl, dataDir } = nats;
  control = await connect({ servers: natsUrl, user: natsUser, pass: natsPassword });
  const options = { allowLazySync: false, monitorUrl, logger: silentLogger };
  const log = await openJetStreamLog(control, options);
  for (const [node, { publicKey }] of Object.entries(keys)) {
    const enrolled = event('NodeEnrolled', { node, segment: 'paris', publicKey });
    const context = { actor: 'test', correlationId: 'test', causationId: `${node} enrolled` };
    const aggregate = { type: 'node', id: node } as const;
    const events = node === 'nice-1' ? [enrolled, event('NodeRemoved', { node })] : [enrolled];
    await log.append(aggregate, noEvents, events, context, systemClock.nowMs());
  }
  const access = { natsUrl, natsUser, natsPassword, natsMonitorUrl: monitorUrl, dataDir };
  const config = { ...access, httpHost: '127.0.0.1', httpPort: 0, allowLazySync: false };
  service = await startService(gateway, config, silentLogger);
}, 120_000);

afterEach(async () => {
  await Promise.all(opened.splice(0).map((connection) => connection.close()));
});

afterAll(async () => {
  await service?.close();
  await control?.close();
  await nats?.stop();
});

async function signedIn(node: Node, key: SigningKey = keys[node], offMs = 0) {
  const nowMs = () => systemClock.nowMs() + offMs;
  const options = signInOptions({ node, key, nowMs });
  const connection = await connect({ servers: nats.url, reconnect: false, ...options });
  opened.push(connection);
  return connection;
}

/** What the server says against what a connection does. */
async function refusalOf(connection: NatsConnection, act: () => void): Promise<string> {
  const refusal = (async () => {
    for await (const status of connection.status()) {
      if (status.type === 'error') return status.error.message;
    }
    return 'closed without a word';
  })();
  act();
  return refusal;
}

describe('an agent that has signed in to NATS', () => {
  test('reports, asks and is told', async () => {
    const agent = await signedIn('paris-1');
    const told = agent.subscribe(subjects.agentNotification('paris-1'), { max: 1 });
    const reports = control.subscribe('ingress.>', { max: 1 });
    const asked = control.subscribe(subjects.agentRequest('tree-planner', 'next', '*'), {
      callback: (_error, message) => void message.respond('here'),
    });
    await Promise.all([agent.flush(), control.flush()]);
    agent.publish(subjects.ingressOf('paris-1', 'segment'), 'report');
    for await (const { data } of reports) expect(Buffer.from(data).toString()).toBe('report');
    const question = subjects.agentRequest('tree-planner', 'next', 'paris-1');
    expect((await agent.request(question)).string()).toBe('here');
    const answer = control.request(subjects.agentNotification('paris-1'), 'come');
    for await (const message of told) message.respond('taken');
    expect((await answer).string()).toBe('taken');
    asked.unsubscribe();
  });

  const others = (['rome-1', 'paris-1.x'] as const).flatMap((node) => [
    subjects.agentNotification(node),
    subjects.segmentStatus(node),
    `${subjects.agentInbox(node)}.>`,
  ]);
  test.each([...others, '_INBOX.>', 'agent.>', 'agent.*.notification', 'ingress.>', 'ev.>', '>'])(
    'does not hear %s',
    async (subject) => {
      const agent = await signedIn('paris-1');
      const listen = () => agent.subscribe(subject, { callback: () => undefined });
      expect(await refusalOf(agent, listen)).toContain('Permissions Violation for Subscription');
    },
  );

  const kinds: IngressKind[] = ['segment', 'received', 'assignment', 'links'];
  test.each([
    ...kinds.map((kind) => subjects.ingressOf('rome-1', kind)),
    subjects.agentRequest('tree-planner', 'next', 'rome-1'),
    subjects.agentNotification('rome-1'),
    subjects.agentNotification('paris-1'),
    'ev.site.a.1',
    'cmd.scheduler.RequestRun',
    '$JS.API.STREAM.DELETE.EV',
    '$SYS.REQ.USER.AUTH',
  ])('does not publish on %s', async (subject) => {
    const agent = await signedIn('paris-1');
    const publish = () => agent.publish(subject, 'x');
    expect(await refusalOf(agent, publish)).toContain('Permissions Violation for Publish');
  });
});

describe('NATS lets nobody in', () => {
  test('who signs with another key than that of the node', async () => {
    await expect(signedIn('rome-1', keys['paris-1'])).rejects.toThrow('Authorization Violation');
  });

  test('whose node was removed', async () => {
    await expect(signedIn('nice-1')).rejects.toThrow('Authorization Violation');
  });

  test('whose node is not enrolled', async () => {
    const stranger = signedIn('oslo-1' as Node, newKey());
    await expect(stranger).rejects.toThrow('Authorization Violation');
  });

  test.each([-90_000, 90_000])('who signed at another time: %d ms', async (offMs) => {
    await expect(signedIn('paris-1', undefined, offMs)).rejects.toThrow('Authorization Violation');
  });

  test('who shows what another has shown before', async () => {
    const pass = natsPassword('paris-1', keys['paris-1'], systemClock.nowMs(), 'n'.repeat(22));
    const login = { servers: nats.url, user: 'paris-1', pass, reconnect: false };
    opened.push(await connect(login));
    await expect(connect(login)).rejects.toThrow('Authorization Violation');
  });

  test.each([
    ['no password', undefined],
    ['a password that is no signature', 'x'],
    ['a long one', `sig=${'a'.repeat(100_000)} sig=:AAAA:`],
  ])('who has %s', async (_what, pass) => {
    const login = { servers: nats.url, user: 'paris-1', ...(pass ? { pass } : {}) };
    await expect(connect({ ...login, reconnect: false })).rejects.toThrow();
  });
});
