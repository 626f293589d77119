import { expect, test } from '@jest/globals';
import { clean, run, worldOf } from './session-world.js';

const containerBytes = 20_000_000;
/** The first frames have left by then. */
const soonMs = 1_000;

/** What a session's first announcements tell. */
async function firstRatesOver(maxDelayMs: number): Promise<number[]> {
  const { clock, send } = worldOf(3, containerBytes, { ...clean, maxDelayMs }, 1);
  const rates: number[] = [];
  const isSoon = new Promise<void>((resolve) => clock.schedule(soonMs, resolve));
  void send({ onAnnouncement: ({ rateBytesPerS }) => void rates.push(Number(rateBytesPerS)) });
  await run(clock, isSoon);
  return rates;
}

test('over a long way a session begins as slowly as TCP, by what members echo', async () => {
  const rates = await firstRatesOver(80);
  expect(Math.min(...rates)).toBeLessThan(1_000_000);
});

test('in a LAN it begins at the rate of the hosts', async () => {
  const rates = await firstRatesOver(5);
  expect(Math.min(...rates)).toBe(50_000_000);
});

test('a session begins when all listen, and not when the time for that is over', async () => {
  const { clock, send } = worldOf(3, containerBytes, { ...clean, maxDelayMs: 1 }, 1);
  const { durationMs, passes } = await run(clock, send());
  expect(passes).toBe(1);
  // At the rate that it begins with it takes 400 ms; the members would have a quarter of that.
  expect(durationMs).toBeLessThan(420);
});
