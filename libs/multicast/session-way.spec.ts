import { expect, test } from '@jest/globals';
import { clean, run, worldOf } from './session-world.js';

async function ratesOver(maxDelayMs: number): Promise<number[]> {
  const world = worldOf(3, 20_000_000, { ...clean, maxDelayMs }, 1);
  const rates: number[] = [];
  const onAnnouncement = ({ rateBytesPerS }: { rateBytesPerS: bigint }) => {
    rates.push(Number(rateBytesPerS));
  };
  const { complete } = await run(world.clock, world.send({ onAnnouncement }));
  expect(complete).toEqual(['m0', 'm1', 'm2']);
  expect(world.members.every(({ isEqual }) => isEqual)).toBe(true);
  return rates;
}

test('over a long way a session begins as slowly as TCP, by what members echo', async () => {
  const rates = await ratesOver(80);
  expect(Math.min(...rates)).toBeLessThan(1_000_000);
});

test('in a LAN it begins at the rate of the hosts', async () => {
  const rates = await ratesOver(5);
  expect(Math.min(...rates)).toBe(50_000_000);
});

test('a session begins when all listen, and not when the time for that is over', async () => {
  const { clock, send } = worldOf(3, 20_000_000, { ...clean, maxDelayMs: 1 }, 1);
  const { durationMs, passes } = await run(clock, send());
  expect(passes).toBe(1);
  // At the rate that it begins with it takes 400 ms; the members would have a quarter of that.
  expect(durationMs).toBeLessThan(420);
});
