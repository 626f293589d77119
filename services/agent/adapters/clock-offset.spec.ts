import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import { PeerConnections } from '#libs/fleet-http/adapters/peer-http.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { isTrusted } from '../app/control-clock.js';
import { ClockOffset, type TimeAnswer } from './clock-offset.js';

/** Says when something is scheduled, and for when. */
class ToldClock extends VirtualClock {
  private tell: (delayMs: number) => void = () => undefined;
  readonly scheduled = new Promise<number>((resolve) => {
    this.tell = resolve;
  });

  override schedule(delayMs: number, action: () => void): Cancel {
    this.tell(delayMs);
    return super.schedule(delayMs, action);
  }
}

let server: Server;
let http: PeerConnections;
let answer: TimeAnswer;

beforeEach(async () => {
  http = new PeerConnections();
  server = createServer((_, response) => response.end(JSON.stringify(answer)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  http.close();
  await new Promise((resolve) => server.close(resolve));
});

async function measured() {
  const clock = new ToldClock(1_000);
  const log = () => undefined;
  const offset = new ClockOffset(clock, http, log, () => clock.nowMs());
  offset.follow(`http://127.0.0.1:${(server.address() as AddressInfo).port}/time`);
  const againMs = await clock.scheduled;
  offset.close();
  return { ...offset.current, againMs, now: offset.now() };
}

test('a clock that was measured is trusted, and looked at again in a minute', async () => {
  answer = { nowMs: 5_000, errorMs: 2 };
  const { offsetMs, errorMs, againMs, now } = await measured();
  expect(Math.abs(offsetMs - 4_000)).toBeLessThanOrEqual(errorMs);
  expect(errorMs).toBeGreaterThan(2);
  expect(isTrusted({ offsetMs, errorMs })).toBe(true);
  expect(againMs).toBe(60_000);
  expect(Math.abs(now.nowMs - 5_000)).toBeLessThanOrEqual(errorMs);
});

test('what a leader says before it has measured is not trusted, and asked again soon', async () => {
  answer = new ClockOffset(new VirtualClock(5_000), http, () => undefined).now();
  const { offsetMs, errorMs, againMs } = await measured();
  expect(isTrusted({ offsetMs, errorMs })).toBe(false);
  expect(againMs).toBe(1_000);
});

test('a clock that is off too far is not trusted, and asked again soon', async () => {
  answer = { nowMs: 5_000, errorMs: 600 };
  const { offsetMs, errorMs, againMs } = await measured();
  expect(isTrusted({ offsetMs, errorMs })).toBe(false);
  expect(againMs).toBe(1_000);
});

test('one that cannot be known better is asked more and more rarely', async () => {
  answer = { nowMs: 5_000, errorMs: 100 };
  const waits: number[] = [];
  let again: () => void = () => undefined;
  const clock: Clock = {
    nowMs: () => 1_000,
    schedule: (delayMs, action) => {
      waits.push(delayMs);
      again = action;
      return () => undefined;
    },
  };
  const offset = new ClockOffset(clock, http, () => undefined, clock.nowMs);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/time`;
  const untilWaits = async (count: number) => {
    while (waits.length < count) await new Promise(setImmediate);
  };
  offset.follow(url);
  for (let count = 1; count <= 14; count++) {
    await untilWaits(count);
    again();
  }
  const seconds = waits.slice(0, 14).map((ms) => ms / 1_000);
  expect(seconds).toEqual([2, 2, 2, 2, 2, 2, 2, 2, 4, 8, 16, 32, 60, 60]);
  await untilWaits(15);
  offset.follow(url);
  await untilWaits(16);
  expect(waits.at(-1)).toBe(2_000);
  offset.close();
});

test('the best of the newest measurements counts, until they contradict each other', async () => {
  const clock = new VirtualClock(1_000);
  const offset = new ClockOffset(clock, http, () => undefined);
  const measure = async (said: TimeAnswer) => {
    answer = said;
    const again = new Promise<void>((resolve) => {
      const schedule = clock.schedule.bind(clock);
      clock.schedule = (delayMs, action) => {
        clock.schedule = schedule;
        resolve();
        return schedule(delayMs, action);
      };
    });
    offset.follow(`http://127.0.0.1:${(server.address() as AddressInfo).port}/time`);
    await again;
    return offset.current.errorMs;
  };
  const goodMs = await measure({ nowMs: Date.now(), errorMs: 2 });
  const afterBadMs = await measure({ nowMs: Date.now(), errorMs: 3_000 });
  expect(afterBadMs).toBeLessThan(goodMs + 1);
  const otherMs = await measure({ nowMs: Date.now() + 60_000, errorMs: 1_000 });
  expect(otherMs).toBeGreaterThan(1_000);
  offset.close();
});
