import { describe, expect, test } from '@jest/globals';
import { fuzzFrames } from '#test/fuzz/control-frames.js';
import { fuzzDataFrames } from '#test/fuzz/data-frames.js';

describe('frames from outside', () => {
  test('10,000 forged, mutated and replayed ones change nothing and break nothing', () => {
    const { heard, frames, dropped } = fuzzFrames({ count: 10_000, seed: 1 });
    expect(heard).toBe(0);
    expect(Object.values(dropped).reduce((sum, count) => sum + count, 0)).toBe(frames);
  });

  test('10,000 data frames that nobody sent so are all dropped', () => {
    expect(fuzzDataFrames({ count: 10_000, seed: 1 }).heard).toBe(0);
  });
});
