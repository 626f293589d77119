import { expect, test } from '@jest/globals';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { RateMeter } from './rate-meter.js';

test('tells what passed in the last window, and nothing when nothing does any more', () => {
  const clock = new VirtualClock();
  const meter = new RateMeter(clock);
  meter.add(1_000);
  clock.advance(500);
  expect(meter.bytesPerS()).toBe(2_000);
  clock.advance(500);
  expect(meter.bytesPerS()).toBe(0);
});

test('what passes after a long rest does not count as slow', () => {
  const clock = new VirtualClock();
  const meter = new RateMeter(clock);
  clock.advance(3_600_000);
  meter.add(1_000);
  clock.advance(1_000);
  expect(meter.bytesPerS()).toBe(1_000);
});
