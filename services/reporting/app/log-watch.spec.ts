import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLogger } from '#libs/telemetry/logger.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { LogWatch, type VerifiableLog } from './log-watch.js';

const sound = { sound: true, firstBadSequence: 0n, problem: '' };
const dayMs = 24 * 60 * 60_000;
let clock: VirtualClock;
let log: { head: string | undefined; verdict: typeof sound; verified: number; isAway: boolean };
let watch: LogWatch;

beforeEach(async () => {
  clock = new VirtualClock(1_000);
  log = { head: undefined, verdict: sound, verified: 0, isAway: false };
  watch = new LogWatch(verifiable, () => true, clock, silentLogger);
  await settled();
});
afterEach(() => watch.close());

const verifiable: VerifiableLog = {
  async verify() {
    log.verified += 1;
    return log.verdict;
  },
  async problemAtHead() {
    if (log.isAway) throw new Error('away');
    return log.head;
  },
};

async function settled(): Promise<void> {
  for (let round = 0; round < 20; round++) await Promise.resolve();
}

async function pass(durationMs: number): Promise<void> {
  clock.advance(durationMs);
  await settled();
}

describe('the watch for damage of the log', () => {
  test('looks at the end when a server started again, and goes on telling', async () => {
    expect(watch.problem()).toBeUndefined();
    log.head = 'the log ends at event 5, its second copy at 9: the rest is lost';
    watch.lookAtHead();
    await settled();
    expect(watch.problem()).toMatch(/ends at event 5/);
    // New events have filled the gap, with other content.
    log.head = undefined;
    watch.lookAtHead();
    await settled();
    expect(watch.problem()).toMatch(/ends at event 5/);
  });

  test('verifies everything soon after a start and once a day, and names the event', async () => {
    await pass(10_000);
    expect(log.verified).toBe(1);
    log.verdict = { sound: false, firstBadSequence: 7n, problem: 'it is missing' };
    await pass(dayMs - 1);
    expect(watch.problem()).toBeUndefined();
    await pass(1);
    expect(watch.problem()).toBe('the log is damaged at event 7: it is missing');
    log.verdict = sound;
    await pass(dayMs);
    expect(watch.problem()).toBeUndefined();
  });

  test('looks again while the log is away', async () => {
    log.isAway = true;
    watch.lookAtHead();
    await settled();
    log.isAway = false;
    log.head = 'event 3 is missing in the log';
    await pass(2_000);
    expect(watch.problem()).toMatch(/event 3/);
  });
});
