import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { type CuttableProxy, cuttableProxy } from '#test/support/cuttable-proxy.js';
import { type TestNats, withNats } from '#test/support/servers.js';
import { until } from '#test/support/until.js';
import { connectNats, NatsUnreachable } from './nats-connection.js';

let server: TestNats;
let proxy: CuttableProxy;
let nats: NatsConnection | undefined;

beforeEach(async () => {
  server = await withNats();
  proxy = await cuttableProxy(Number(new URL(server.url).port));
});

afterEach(async () => {
  await nats?.close();
  nats = undefined;
  await proxy.close();
  await server.stop();
});

function open(natsPassword = server.password): Promise<NatsConnection> {
  const config = {
    ...{ natsUrl: `nats://127.0.0.1:${proxy.port}`, natsUser: server.user, natsPassword },
    ...{ httpHost: '127.0.0.1', dataDir: '/nowhere', allowLazySync: false },
  };
  return connectNats('probe', config, systemClock, silentLogger);
}

const tooSlow = /Authentication Timeout/;

/** Counts how often the server gave up waiting for the client's greeting. */
async function count(connection: NatsConnection, seen: string[]): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'error') seen.push(status.error.message);
  }
}

describe('a connection of a service', () => {
  it('comes back although the server was too slow to greet it, more than once', async () => {
    const connection = await open();
    nats = connection;
    const seen: string[] = [];
    void count(connection, seen);
    proxy.muteNext(3);
    await proxy.cut();
    await proxy.restore();
    const gaveUp = () => seen.filter((message) => tooSlow.test(message)).length;
    await until('the server gave up three times', () => gaveUp() >= 3, { timeoutMs: 60_000 });
    await until('it is back', async () => {
      await connection.flush();
      return true;
    });
    expect(connection.isClosed()).toBe(false);
  }, 120_000);

  it('waits for a server that is too slow at first, but not for one that refuses it', async () => {
    proxy.muteNext(1);
    nats = await open();
    await expect(open('wrong')).rejects.toThrow(NatsUnreachable);
  }, 60_000);
});
