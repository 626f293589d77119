import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { makeAuthority, tlsAuthority } from '#libs/keys/adapters/tls-authority.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import type { TlsIdentity } from '#libs/keys/key-provider.js';
import { controlPlaneUri, nodeUri } from '#libs/keys/tls-names.js';
import { PeerConnections, readAll } from './peer-http.js';
import { isOfFleet, listenerOptions } from './tls-listener.js';

async function authorityOf(keyPem: string) {
  return tlsAuthority(keyPem, await makeAuthority(keyPem, systemClock.nowMs()));
}

type Authority = Awaited<ReturnType<typeof authorityOf>>;

async function identityOf(authority: Authority, uri: string): Promise<TlsIdentity> {
  const privateKey = generatePrivateKeyPem();
  const { publicKey } = signingKeyFromPem(privateKey);
  const certificate = await authority.issue(publicKey, uri, systemClock.nowMs());
  return { privateKey, certificate, authorities: authority.certificates };
}

describe('TLS within a fleet', () => {
  let ours: Authority;
  let theirs: Authority;
  const servers: Server[] = [];
  const clients: PeerConnections[] = [];

  beforeAll(async () => {
    ours = await authorityOf(generatePrivateKeyPem());
    theirs = await authorityOf(generatePrivateKeyPem());
  });

  afterAll(async () => {
    for (const client of clients) client.close();
    for (const server of servers) server.closeAllConnections();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  });

  /** Answers whether the client is known. */
  async function serve(identity: TlsIdentity): Promise<string> {
    const server = createServer(listenerOptions(identity), (request, response) => {
      response.end(isOfFleet(request) ? 'known' : 'unknown');
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  function client(identity?: TlsIdentity): PeerConnections {
    const http = new PeerConnections();
    if (identity) http.identify(identity);
    clients.push(http);
    return http;
  }

  const ask = async (http: PeerConnections, url: string, expected: 'fleet' | 'control-plane') =>
    (await readAll(await http.request(url, { expect: expected }), 100)).toString();

  test('agents know each other, whatever their addresses are', async () => {
    const url = await serve(await identityOf(ours, nodeUri('paris-1')));
    const http = client(await identityOf(ours, nodeUri('rome-1')));
    expect(await ask(http, url, 'fleet')).toBe('known');
  });

  test('an agent is not taken for the control plane', async () => {
    const url = await serve(await identityOf(ours, nodeUri('paris-1')));
    const http = client(await identityOf(ours, nodeUri('rome-1')));
    await expect(ask(http, url, 'control-plane')).rejects.toThrow('certificate for URI');
    const control = await serve(await identityOf(ours, controlPlaneUri));
    expect(await ask(http, control, 'control-plane')).toBe('known');
  });

  test('a server of another fleet is not talked to', async () => {
    const url = await serve(await identityOf(theirs, nodeUri('paris-1')));
    const http = client(await identityOf(ours, nodeUri('rome-1')));
    await expect(ask(http, url, 'fleet')).rejects.toThrow();
  });

  test('a server with a certificate of no node is not talked to', async () => {
    const url = await serve(await identityOf(ours, 'urn:espalier:something'));
    const http = client(await identityOf(ours, nodeUri('rome-1')));
    await expect(ask(http, url, 'fleet')).rejects.toThrow('certificate');
  });

  test('clients without a certificate, or with one of another fleet, are unknown', async () => {
    const url = await serve(await identityOf(ours, nodeUri('paris-1')));
    const authorities = ours.certificates;
    const anonymous = client({ privateKey: '', certificate: '', authorities });
    expect(await ask(anonymous, url, 'fleet')).toBe('unknown');
    const stranger = client({ ...(await identityOf(theirs, nodeUri('x'))), authorities });
    expect(await ask(stranger, url, 'fleet')).toBe('unknown');
  });

  test('a session that was begun without a certificate is unknown when it is resumed', async () => {
    const url = await serve(await identityOf(ours, nodeUri('paris-1')));
    const port = Number(new URL(url).port);
    const options = { host: '127.0.0.1', port, rejectUnauthorized: false };
    const say = (session?: Buffer) =>
      new Promise<{ answer: string; session?: Buffer; reused: boolean }>((resolve, reject) => {
        const socket = connect({ ...options, ...(session ? { session } : {}) });
        let answer = '';
        let reused = false;
        let ticket: Buffer | undefined;
        socket.on('session', (one) => {
          ticket = one;
        });
        socket.on('data', (chunk) => {
          answer += chunk.toString();
        });
        socket.on('error', reject);
        socket.on('secureConnect', () => {
          reused = socket.isSessionReused();
        });
        const done = () => resolve({ answer, reused, ...(ticket && { session: ticket }) });
        socket.on('close', done);
        socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
      });
    const first = await say();
    const second = await say(first.session);
    expect(second.reused).toBe(true);
    expect([first.answer, second.answer].map((text) => text.includes('unknown'))).toEqual([
      true,
      true,
    ]);
  });

  test('a certificate that was renewed is used without a break', async () => {
    const url = await serve(await identityOf(ours, nodeUri('paris-1')));
    const http = client(await identityOf(ours, nodeUri('rome-1')));
    await ask(http, url, 'fleet');
    http.identify(await identityOf(ours, nodeUri('rome-1')));
    expect(await ask(http, url, 'fleet')).toBe('known');
  });

  test('an answer that is too long is cut off', async () => {
    const url = await serve(await identityOf(ours, nodeUri('paris-1')));
    const http = client(await identityOf(ours, nodeUri('rome-1')));
    const response = await http.request(url, { expect: 'fleet' });
    await expect(readAll(response, 3)).rejects.toThrow('longer than 3 bytes');
  });
});
