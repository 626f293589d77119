import { describe, expect, test } from '@jest/globals';
import { medianRate, observeRate } from './rate.js';

const halfLifeMs = 60_000;
const tenMegabytes = 10_000_000;

describe('a measured rate', () => {
  const known = { bytesPerS: 10_000_000, measuredAtMs: 0 };

  test('a faster transfer counts at once', () => {
    const sample = { bytes: tenMegabytes, durationMs: 500, atMs: 1 };
    expect(observeRate(known, sample, halfLifeMs)?.bytesPerS).toBe(20_000_000);
  });

  test('the difference to a slower one halves in every half-life', () => {
    const sample = { bytes: tenMegabytes, durationMs: 5_000, atMs: halfLifeMs };
    expect(observeRate(known, sample, halfLifeMs)?.bytesPerS).toBe(6_000_000);
  });

  test('measuring more often does not forget faster', () => {
    let often: ReturnType<typeof observeRate> = known;
    for (let atMs = 1_000; atMs <= halfLifeMs; atMs += 1_000) {
      often = observeRate(often, { bytes: tenMegabytes, durationMs: 5_000, atMs }, halfLifeMs);
    }
    expect(often?.bytesPerS).toBeCloseTo(6_000_000);
  });

  test('a short transfer says nothing', () => {
    const sample = { bytes: 1_000, durationMs: 1_000, atMs: 1 };
    expect(observeRate(known, sample, halfLifeMs)).toBe(known);
    expect(observeRate(undefined, sample, halfLifeMs)).toBeUndefined();
  });

  test('an unmeasured link is taken for one in the middle', () => {
    const rates = [3, 1, 2].map((bytesPerS) => ({ bytesPerS, measuredAtMs: 0 }));
    expect(medianRate(rates, 9)).toBe(2);
    expect(medianRate([], 9)).toBe(9);
  });
});
