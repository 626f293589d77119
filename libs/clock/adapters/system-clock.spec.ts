import { afterEach, expect, jest, test } from '@jest/globals';
import { steadyClock, systemClock } from './system-clock.js';

afterEach(() => {
  jest.restoreAllMocks();
});

test.each([-3_600_000, 3_600_000])('a host clock set by %d ms moves no time that lasts', (byMs) => {
  const hostMs = Date.now();
  const [system, steady] = [systemClock.nowMs(), steadyClock.nowMs()];
  jest.spyOn(Date, 'now').mockReturnValue(hostMs + byMs);
  expect(Math.sign(systemClock.nowMs() - system)).toBe(Math.sign(byMs));
  const passedMs = steadyClock.nowMs() - steady;
  expect(passedMs).toBeGreaterThanOrEqual(0);
  expect(passedMs).toBeLessThan(Math.abs(byMs));
});
