import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { event } from '#libs/contracts/index.js';
import { openJetStreamLog } from '#libs/event-log/adapters/jetstream/jetstream-log.js';
import { type EventLog, noEvents } from '#libs/event-log/event-log.js';
import { type TestNats, withNats } from '../support/servers.js';
import { until } from '../support/until.js';

let server: TestNats;
let nats: NatsConnection;
let log: EventLog;
const children: ChildProcess[] = [];

beforeAll(async () => {
  server = await withNats();
  nats = await connect({ servers: server.url, user: server.user, pass: server.password });
  log = await openJetStreamLog(nats, { allowLazySync: false, monitorUrl: server.monitorUrl });
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(async () => {
  await nats.close();
  await server.stop();
});

function start(command: string, args: readonly string[]): { text: () => string } {
  const { hostname, port } = new URL(server.url);
  const env = {
    ...process.env,
    NATS_URL: server.url,
    NATS_HOST: hostname,
    NATS_PORT: port,
    NATS_USER: server.user,
    NATS_PASSWORD: server.password,
  };
  const child = spawn(command, args, { env });
  children.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  }
  return { text: () => text };
}

async function request(runId: string): Promise<void> {
  const context = { actor: 'test', correlationId: runId, causationId: runId };
  const events = [event('RunRequested', { runId, site: 'www' })];
  await log.append({ type: 'run', id: runId }, noEvents, events, context, 0);
}

describe('the examples of consumers', () => {
  test('subscribe.mjs prints what was and what comes, and goes on after a crash', async () => {
    await request('before');
    const program = 'deploy/examples/consumer/subscribe.mjs';
    const first = start(process.execPath, [program]);
    await until('the first event is printed', () => {
      if (first.text().includes('before')) return true;
      throw new Error(first.text());
    });
    expect(first.text()).toContain('espalier.v1.RunRequested before {"runId":"before"');
    await request('while');
    await until('the second event is printed', () => first.text().includes('while'));
    children.pop()?.kill('SIGKILL');
    await request('after');
    const second = start(process.execPath, [program]);
    await until('the third event is printed', () => second.text().includes('after'));
    expect(second.text()).not.toContain('before');
  }, 60_000);

  test('tail.sh prints events as JSON with nothing but a socket', async () => {
    const tail = start('bash', ['deploy/examples/consumer/tail.sh', 'ev.run.>']);
    await until('it listens', () => tail.text().includes('listening'));
    await request('live');
    const line = await until('the event is printed', () =>
      tail
        .text()
        .split('\n')
        .find((each) => each.includes('live')),
    );
    expect(JSON.parse(line)).toMatchObject({
      type: 'espalier.v1.RunRequested',
      data: { runId: 'live' },
    });
  });
});
