import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signNotification } from '#libs/assignment/signed-notification.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { NotificationSchema } from '#libs/contracts/index.js';
import { PeerConnections, readAll } from '#libs/fleet-http/adapters/peer-http.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { nodeUri } from '#libs/keys/tls-names.js';
import { ContainerSpool } from './container-spool.js';
import { type AgentHttp, startAgentHttp } from './http-server.js';

describe("an agent's server", () => {
  const directory = mkdtempSync(join(tmpdir(), 'espalier-agent-http-'));
  const keys = controlKeysIn(join(directory, 'keys'));
  const notified: string[] = [];
  const anonymous = new PeerConnections();
  const member = new PeerConnections();
  let server: AgentHttp;
  let spool: ContainerSpool;

  const identityOf = async (node: string) => {
    const privateKey = generatePrivateKeyPem();
    const { publicKey } = signingKeyFromPem(privateKey);
    const authority = await keys.tlsAuthority();
    const certificate = await authority.issue(publicKey, nodeUri(node), systemClock.nowMs());
    return { privateKey, certificate, authorities: authority.certificates };
  };

  beforeAll(async () => {
    spool = await ContainerSpool.open(join(directory, 'spool'), 1e12, systemClock);
    server = await startAgentHttp({
      host: '127.0.0.1',
      port: 0,
      tls: await identityOf('paris-1'),
      spool,
      trust: await keys.trustRoot(),
      segment: 'paris',
      onNotification: ({ assignmentId }) => notified.push(assignmentId),
      onServedToMember: () => undefined,
      time: () => ({ nowMs: 1, errorMs: 0 }),
      health: () => ({ inService: true, sites: [] }),
    });
    const { authorities } = await identityOf('rome-1');
    anonymous.identify({ privateKey: '', certificate: '', authorities });
    member.identify(await identityOf('rome-1'));
  });

  afterAll(async () => {
    anonymous.close();
    member.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });

  const ask = async (http: PeerConnections, path: string, body?: Uint8Array) => {
    const method = body ? 'POST' : 'GET';
    const response = await http.request(`${server.url}${path}`, { method, body, expect: 'fleet' });
    await readAll(response, 10_000);
    return response.status;
  };
  const signed = async (segment: string, ours = true) => {
    const notification = create(NotificationSchema, { assignmentId: `for-${segment}`, segment });
    const strange = [signingKeyFromPem(generatePrivateKeyPem())];
    return signNotification(notification, ours ? await keys.assignmentKeys() : strange);
  };

  test('tells anybody that it lives and is well', async () => {
    expect([await ask(anonymous, '/livez'), await ask(anonymous, '/lb/health')]).toEqual([
      200, 200,
    ]);
  });

  test('gives content only to who shows a certificate of the fleet', async () => {
    const path = `/blobs/${'0'.repeat(64)}`;
    expect([await ask(anonymous, path), await ask(member, path)]).toEqual([403, 404]);
  });

  test('takes what the control plane signed, from whoever of the fleet', async () => {
    expect(await ask(member, '/notification', await signed('paris'))).toBe(204);
    expect(notified).toEqual(['for-paris']);
  });

  test.each<[what: string, send: () => Promise<number>]>([
    ['from outside the fleet', async () => ask(anonymous, '/notification', await signed('paris'))],
    ['for another segment', async () => ask(member, '/notification', await signed('rome'))],
    ['of another key', async () => ask(member, '/notification', await signed('paris', false))],
    ['that is none', async () => ask(member, '/notification', Buffer.from('come!'))],
  ])('refuses a notification %s', async (_what, send) => {
    expect(await send()).toBe(403);
    expect(notified).toEqual(['for-paris']);
  });
});
