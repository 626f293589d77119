import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import type { Clock } from '#libs/clock/clock.js';
import { ensureStreams } from '#libs/event-log/adapters/jetstream/streams.js';
import { LogUnavailable } from '#libs/event-log/event-log.js';
import { silentLogger } from '#libs/telemetry/logger.js';
import { type TestNats, withNats } from '#test/support/servers.js';
import { until } from '#test/support/until.js';
import type { Delivery } from './dead-letters.js';
import { DurableConsumer, Unhandleable } from './durable-consumer.js';

/** Pauses last a five-hundredth. */
const hurried: Clock = {
  nowMs: () => systemClock.nowMs(),
  schedule: (delayMs, action) => systemClock.schedule(delayMs / 500, action),
};

let server: TestNats;
let nats: NatsConnection;
let consumer: DurableConsumer;
let serial = 0;

beforeAll(async () => {
  server = await withNats();
  nats = await connect({ servers: server.url, user: server.user, pass: server.password });
  await ensureStreams(nats);
});
afterEach(() => consumer.stop());
afterAll(async () => {
  await nats.close();
  await server.stop();
});

const textOf = ({ data }: Delivery) => new TextDecoder().decode(data);

async function consume(
  token: string,
  handle: (message: Delivery) => Promise<void>,
  parksFollowers = false,
) {
  consumer = new DurableConsumer({
    nats,
    client: jetstream(nats),
    manager: await jetstreamManager(nats),
    clock: hurried,
    logger: silentLogger,
    stream: 'INGRESS',
    name: token,
    deadLetters: token,
    parksFollowers,
    filterSubjects: [`ingress.*.${token}`],
    handle,
    describe: () => ({}),
  });
  await consumer.start();
}

const send = (node: string, token: string, text: string) =>
  jetstream(nats).publish(`ingress.${node}.${token}`, text);

async function deadLetters(token: string) {
  const manager = await jetstreamManager(nats);
  const { state } = await manager.streams.info('DLQ', { subjects_filter: `dlq.${token}.>` });
  return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}

/** A consumer's name and the texts that its handler has finished, awaited by count. */
function recorder() {
  const texts: string[] = [];
  let wake: () => void = () => undefined;
  return {
    token: `kind-${++serial}`,
    texts,
    add(text: string) {
      texts.push(text);
      wake();
    },
    count: (wanted: number) =>
      new Promise<void>((resolve) => {
        wake = () => texts.length >= wanted && resolve();
        wake();
      }),
  };
}

describe('durable consumer', () => {
  it('tries a failed message again before later ones of its key; others pass', async () => {
    const { token, texts, add, count } = recorder();
    let failures = 3;
    await consume(token, async (message) => {
      const text = textOf(message);
      if (text === 'a1' && failures-- > 0) throw new Error('not yet');
      add(text);
    });
    for (const text of ['a1', 'a2', 'a3']) await send('a', token, text);
    await send('b', token, 'b1');
    await count(4);
    expect(texts.filter((text) => text.startsWith('a'))).toEqual(['a1', 'a2', 'a3']);
    expect(texts).toContain('b1');
  });

  it('moves a message to the dead letters after ten failures and goes on', async () => {
    const { token, add, count } = recorder();
    let attempts = 0;
    await consume(token, async (message) => {
      if (textOf(message) === 'poison') {
        attempts += 1;
        throw new Error('it never works');
      }
      add(textOf(message));
    });
    await send('a', token, 'poison');
    await send('a', token, 'next');
    await count(1);
    expect(attempts).toBe(10);
    expect(await deadLetters(token)).toBe(1);
    const manager = await jetstreamManager(nats);
    const letter = await manager.streams.getMessage('DLQ', {
      last_by_subj: `dlq.${token}.a.${token}`,
    });
    const reason = decodeURIComponent(letter?.header.get('Espalier-Reason') ?? '');
    expect(reason).toBe('Error: it never works');
  });

  it('keeps what follows a dead letter behind it, and tries all in order', async () => {
    const { token, texts, add, count } = recorder();
    let isMended = false;
    const handle = async (message: Delivery) => {
      if (textOf(message) === 'poison' && !isMended) throw new Unhandleable('cannot be decoded');
      add(textOf(message));
    };
    await consume(token, handle, true);
    for (const text of ['first', 'poison', 'next', 'last']) await send('a', token, text);
    await send('b', token, 'other');
    await until('three letters are parked', async () => (await deadLetters(token)) === 3);
    await count(2);
    expect(texts.sort()).toEqual(['first', 'other']);
    await expect(consumer.retry(`ingress.a.${token}`)).rejects.toThrow('cannot be decoded');
    await consumer.stop();
    await consume(token, handle, true);
    await send('a', token, 'after a restart');
    await until('it is parked too', async () => (await deadLetters(token)) === 4);
    isMended = true;
    expect(await consumer.retry(`ingress.a.${token}`)).toBe(4);
    await send('a', token, 'free again');
    await count(7);
    expect(texts.slice(2)).toEqual(['poison', 'next', 'last', 'after a restart', 'free again']);
    expect(await deadLetters(token)).toBe(0);
  });

  it('never gives up a message for the sake of a server that is away', async () => {
    const { token, add, count } = recorder();
    let attempts = 0;
    await consume(token, async (message) => {
      attempts += 1;
      const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
      if (attempts <= 6) throw new LogUnavailable('no answer');
      if (attempts <= 12) throw new Error('query failed', { cause });
      add(textOf(message));
    });
    await send('a', token, 'important');
    await count(1);
    expect(attempts).toBe(13);
    expect(await deadLetters(token)).toBe(0);
  });

  it('moves what no repetition can mend to the dead letters at once', async () => {
    const { token, add, count } = recorder();
    let attempts = 0;
    await consume(token, async (message) => {
      attempts += 1;
      if (textOf(message) === 'garbage') throw new Unhandleable('cannot be decoded');
      add(textOf(message));
    });
    await send('a', token, 'garbage');
    await send('a', token, 'next');
    await count(1);
    expect(attempts).toBe(2);
    expect(await deadLetters(token)).toBe(1);
  });

  it('works at several keys side by side, but not at more than it may', async () => {
    const { token, texts, add, count } = recorder();
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let working = 0;
    let most = 0;
    await consume(token, async (message) => {
      working += 1;
      most = Math.max(most, working);
      if (working === 16) open();
      await gate;
      working -= 1;
      add(textOf(message));
    });
    for (let node = 0; node < 40; node++) await send(`node-${node}`, token, String(node));
    await count(40);
    expect(most).toBe(16);
    expect(new Set(texts).size).toBe(40);
  });

  it('gives back what it would have tried again when it stops', async () => {
    const { token, add, count } = recorder();
    let failed: () => void = () => undefined;
    const hasFailed = new Promise<void>((resolve) => {
      failed = resolve;
    });
    await consume(token, async () => {
      failed();
      throw new Error('not here');
    });
    await send('a', token, 'for another');
    await hasFailed;
    await consumer.stop();
    await consume(token, async (message) => add(textOf(message)));
    await count(1);
  });

  it('takes up its work again when the consumer was deleted', async () => {
    const { token, add, count } = recorder();
    await consume(token, async (message) => add(textOf(message)));
    const manager = await jetstreamManager(nats);
    await manager.consumers.delete('INGRESS', token);
    await send('a', token, 'later');
    await count(1);
  });
});
