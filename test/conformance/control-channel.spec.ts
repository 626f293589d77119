import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { findFreePort } from '#deploy/embedded/free-port.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { event, NextLeaderRequestSchema } from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { noEvents } from '#libs/event-log/event-log.js';
import { PeerConnections } from '#libs/fleet-http/adapters/peer-http.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { signatureHeaders } from '#libs/keys/http-signature.js';
import { type RunningService, startService } from '#libs/nest-jetstream/service.js';
import { jsonLogger } from '#libs/telemetry/logger.js';
import { httpsChannel } from '#services/agent/adapters/https-channel.js';
import { natsChannel, webSocketChannel } from '#services/agent/adapters/nats-channel.js';
import { definition as gateway } from '#services/gateway/service.js';
import { type CuttableProxy, cuttableProxy } from '../support/cuttable-proxy.js';
import { hostCertificate } from '../support/host-certificate.js';
import { type TestNats, withNats } from '../support/servers.js';
import { type ControlSide, controlChannelSuite } from './control-channel-suite.js';

let nats: TestNats;
let control: NatsConnection;
let dataDir: string;
let service: RunningService;
let proxies: Record<'nats' | 'websocket' | 'secureWebsocket' | 'https', CuttableProxy>;
let host: { key: string; cert: string };
let side: ControlSide;
const http = new PeerConnections();
const key = signingKeyFromPem(generatePrivateKeyPem());
const romesKey = signingKeyFromPem(generatePrivateKeyPem());

beforeAll(async () => {
  nats = await withNats();
  dataDir = nats.dataDir;
  control = await connect({ servers: nats.url, user: nats.user, pass: nats.password });
  const logger = jsonLogger(() => undefined, systemClock, 'error', {});
  const options = { allowLazySync: false, monitorUrl: nats.monitorUrl, logger };
  const log = await openJetStreamLog(control, options);
  for (const [node, { publicKey }] of [['paris-1', key] as const, ['rome-1', romesKey] as const]) {
    const enrolled = event('NodeEnrolled', { node, segment: 'paris', publicKey });
    const aggregate = { type: 'node', id: node } as const;
    const context = { actor: 'test', correlationId: 'test', causationId: `${node} enrolled` };
    await log.append(aggregate, noEvents, [enrolled], context, systemClock.nowMs());
  }
  const agentPort = await findFreePort();
  process.env.ESPALIER_AGENT_HTTPS_PORT = String(agentPort);
  const { url: natsUrl, user: natsUser, password: natsPassword, monitorUrl } = nats;
  service = await startService(
    gateway,
    {
      ...{ natsUrl, natsUser, natsPassword, natsMonitorUrl: monitorUrl, dataDir },
      ...{ httpHost: '127.0.0.1', httpPort: 0, allowLazySync: false },
    },
    logger,
  );
  host = await hostCertificate();
  proxies = {
    nats: await cuttableProxy(portOf(nats.url)),
    websocket: await cuttableProxy(portOf(nats.websocketUrl)),
    secureWebsocket: await cuttableProxy(portOf(nats.websocketUrl), host),
    https: await cuttableProxy(agentPort),
  };
  const { authorities } = await controlKeysIn(join(dataDir, 'keys')).tlsIdentity(
    systemClock.nowMs(),
  );
  http.identify({ privateKey: '', certificate: '', authorities });
  side = {
    nats: control,
    manager: await jetstreamManager(control),
    interrupt: async () => {
      await Promise.all(Object.values(proxies).map((proxy) => proxy.cut()));
    },
    restore: async () => {
      await Promise.all(Object.values(proxies).map((proxy) => proxy.restore()));
    },
  };
}, 120_000);

afterAll(async () => {
  await Promise.all(Object.values(proxies ?? {}).map((proxy) => proxy.close()));
  http.close();
  await service?.close();
  await control?.close();
  await nats?.stop();
});

function portOf(url: string): number {
  return Number(new URL(url).port);
}

const natsAccess = (scheme: string, port: number, authorities: string[] = []) => ({
  ...{ url: `${scheme}://127.0.0.1:${port}`, authorities },
  signIn: { node: 'paris-1', key, nowMs: () => systemClock.nowMs() },
});
const gatewayAccess = (own = key) => ({
  ...{ node: 'paris-1', key: own, http, clock: systemClock },
  url: () => `https://127.0.0.1:${proxies.https.port}`,
});

controlChannelSuite(
  'NATS',
  () => natsChannel(natsAccess('nats', proxies.nats.port)),
  () => side,
);
controlChannelSuite(
  'WebSocket',
  () => webSocketChannel(natsAccess('ws', proxies.websocket.port)),
  () => side,
);
controlChannelSuite(
  'WebSocket over TLS',
  () => webSocketChannel(natsAccess('wss', proxies.secureWebsocket.port, [host.cert])),
  () => side,
);
controlChannelSuite(
  'HTTPS',
  () => httpsChannel(gatewayAccess()),
  () => side,
);

test('a WebSocket server that nobody has certified is not talked to', async () => {
  const open = webSocketChannel(natsAccess('wss', proxies.secureWebsocket.port));
  await expect(open({} as never)).rejects.toThrow();
});

describe('the gateway', () => {
  const path = '/api/v1/link/poll';
  const body = new Uint8Array();
  const listener = {
    ...{ notified: () => undefined, up: () => undefined, down: () => undefined },
    segmentStatus: () => {
      throw new Error('not asked for');
    },
  };
  const send = async (headers: Record<string, string>, sent = body, to = path) => {
    const type = { 'content-type': 'application/protobuf' };
    const { status, body: answer } = await http.request(
      `https://127.0.0.1:${proxies.https.port}${to}`,
      {
        ...{ method: 'POST', headers: { ...type, ...headers }, body: sent },
        expect: 'control-plane',
      },
    );
    answer.resume();
    return status;
  };
  const signed = (nonce: string, nowMs = systemClock.nowMs(), node = 'paris-1') =>
    signatureHeaders(node, key, { method: 'POST', path, body }, nowMs, nonce);

  test('takes a request that an enrolled agent has signed, and takes it once', async () => {
    const headers = signed('nonce-nonce-nonce-1');
    expect(await send(headers)).toBe(200);
    expect(await send(headers)).toBe(401);
  });

  test.each<[what: string, send: () => Promise<number>]>([
    ['is not signed', () => send({})],
    ['is signed for another path', () => send(signed('nonce-nonce-nonce-2'), body, `${path}?a`)],
    ['has another body', () => send(signed('nonce-nonce-nonce-3'), Buffer.from('x'))],
    ['is of long ago', () => send(signed('nonce-nonce-nonce-4', systemClock.nowMs() - 90_000))],
    [
      'is of a node that is not enrolled',
      () => send(signed('nonce-nonce-nonce-5', undefined, 'x')),
    ],
    ['has no signature of the expected form', () => send({ signature: 'sig=:AAAA:' })],
  ])('refuses a request that %s', async (_what, sendIt) => {
    expect(await sendIt()).toBe(401);
  });

  test('answers no question that is asked in the name of another leader', async () => {
    const channel = await httpsChannel(gatewayAccess())(listener);
    const asked = create(NextLeaderRequestSchema, { assignmentId: 'www-1', leader: 'rome-1' });
    const bytes = toBinary(NextLeaderRequestSchema, asked);
    await expect(channel.ask('next', bytes)).rejects.toThrow('in the name of rome-1');
    await channel.close();
  });

  test('refuses a link under the name of another node', async () => {
    const stranger = signingKeyFromPem(generatePrivateKeyPem());
    await expect(httpsChannel(gatewayAccess(stranger))(listener)).rejects.toThrow('401');
  });

  test('gives content by HTTPS only to who shows a certificate of the fleet', async () => {
    const url = `https://127.0.0.1:${proxies.https.port}/blobs/${'0'.repeat(64)}`;
    const anonymous = await http.request(url, { expect: 'control-plane' });
    anonymous.body.resume();
    expect(anonymous.status).toBe(403);
    const keys = controlKeysIn(join(dataDir, 'keys'));
    const authority = await keys.tlsAuthority();
    const pem = generatePrivateKeyPem();
    const { publicKey } = signingKeyFromPem(pem);
    const uri = 'urn:espalier:node:paris-1';
    const certificate = await authority.issue(publicKey, uri, systemClock.nowMs());
    const own = new PeerConnections();
    own.identify({ privateKey: pem, certificate, authorities: authority.certificates });
    const known = await own.request(url, { expect: 'control-plane' });
    known.body.resume();
    expect(known.status).toBe(404);
    own.close();
  });
});
