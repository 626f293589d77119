import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { scratchDirectory } from '#test/support/servers.js';
import { type EmbeddedNats, startNats } from './nats.js';

describe('the embedded nats-server', () => {
  let dataDir: string;
  let nats: EmbeddedNats;
  const env = { ...process.env, NATS_URL: undefined };

  beforeAll(async () => {
    dataDir = await scratchDirectory();
    nats = await startNats({ dataDir, env });
  }, 120_000);

  afterAll(async () => {
    await nats?.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  const asControl = () => connect({ servers: nats.url, user: nats.user, pass: nats.password });

  test('keeps a stream, with every message on disk, over a kill', async () => {
    const before = await asControl();
    const manager = await jetstreamManager(before);
    await manager.streams.add({ name: 'EV', subjects: ['ev.>'] });
    await jetstream(before).publish('ev.site.a.1', 'one');
    await before.close();
    await nats.server?.stop('SIGKILL');
    await nats.server?.start();
    const after = await asControl();
    const stream = await (await jetstreamManager(after)).streams.info('EV');
    expect(stream.state.messages).toBe(1);
    await after.close();
    const variables = (await (await fetch(`${nats.monitorUrl}/varz`)).json()) as Variables;
    expect(variables.jetstream.config.sync_always).toBe(true);
  });

  test('refuses a second instance on the same data', async () => {
    await expect(startNats({ dataDir, env })).rejects.toMatchObject({
      name: 'DataDirectoryInUse',
      pid: process.pid,
    });
  });

  test('keeps its passwords from other users', async () => {
    for (const path of ['nats/nats-server.conf', 'keys/nats-control-password']) {
      expect((await stat(join(dataDir, path))).mode & 0o077).toBe(0);
    }
    await expect(connect({ servers: nats.url })).rejects.toThrow();
  });

  test('lets nobody in as an agent whom no gateway vouches for', async () => {
    await expect(connect({ servers: nats.url, user: 'agent', pass: 'x' })).rejects.toThrow(
      'Authorization Violation',
    );
  });

  test('comes back at the same address, for agents to reconnect', async () => {
    const address = nats.url;
    await nats.close();
    nats = await startNats({ dataDir, env });
    expect(nats.url).toBe(address);
  });
});

test('an external server is taken from the environment, and no child is started', async () => {
  const env = { NATS_URL: 'nats://nats.example:4222', NATS_USER: 'control', NATS_PASSWORD: 'p' };
  const nats = await startNats({ dataDir: '/nowhere', env });
  expect(nats).toMatchObject({ url: env.NATS_URL, user: 'control', password: 'p' });
  expect(nats.server).toBeUndefined();
  expect([nats.agentUser, nats.agentPassword]).toEqual([undefined, undefined]);
  await nats.close();
});

interface Variables {
  readonly jetstream: { readonly config: { readonly sync_always: boolean } };
}
