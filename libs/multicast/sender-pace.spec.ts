import { describe, expect, test } from '@jest/globals';
import { newPace, type Pace } from './pace.js';
import {
  backlogReported,
  lossReported,
  pauseMs,
  recovered,
  roomBeside,
  withLeft,
} from './sender-pace.js';
import { compete } from './tcp-contest.js';

describe('the pace beside a TCP flow', () => {
  const shared = { seconds: 60, isShared: true };

  test.each([
    [1_250, 1, 20, 0],
    [1_250, 10, 5, 0],
    [1_250, 10, 50, 0],
    [12_500, 0.3, 5, 0],
    [12_500, 1, 20, 0],
    [12_500, 10, 5, 0],
    [12_500, 10, 50, 0],
    [125_000, 0.3, 5, 0],
    [125_000, 0.3, 50, 0],
    [125_000, 1, 20, 0],
    [125_000, 1, 50, 0],
    [125_000, 10, 5, 0],
    [125_000, 10, 50, 0],
  ])(
    'over a link of %d bytes/ms, %d ms away, %d ms of queue, %d lost, takes at most half',
    (bytesPerMs, roundTripMs, queueMs, ambientLoss) => {
      const link = { bytesPerMs, roundTripMs, queueMs, ambientLoss };
      const { ours, theirs, least } = compete(link, shared);
      expect(ours).toBeLessThanOrEqual(0.5);
      expect(ours).toBeGreaterThan(0.04);
      expect(least).toBeGreaterThan(0.01);
      expect(theirs).toBeGreaterThan(0.45);
    },
  );

  test.each([
    [12_500, 0.3, 5, 0.001],
    [12_500, 1, 5, 0.01],
    [12_500, 1, 20, 0.02],
    [12_500, 0.3, 5, 0.05],
    [12_500, 0.3, 50, 0.05],
    [12_500, 0.3, 5, 0.1],
  ])(
    'over a bad cable, too (%d bytes/ms, %d ms, %d ms of queue, %d lost)',
    (bytesPerMs, roundTripMs, queueMs, ambientLoss) => {
      const link = { bytesPerMs, roundTripMs, queueMs, ambientLoss };
      const { ours, least } = compete(link, shared);
      expect(ours).toBeLessThanOrEqual(0.5);
      expect(least).toBeGreaterThan(0.01);
    },
  );

  test.each([
    [1_250, 40, 5, 0],
    [1_250, 40, 50, 0.001],
    [12_500, 40, 5, 0],
    [12_500, 40, 50, 0],
    [12_500, 80, 20, 0],
    [125_000, 40, 5, 0],
    [125_000, 40, 50, 0],
    [125_000, 80, 50, 0],
  ])(
    'leaves half to others over a long way (%d bytes/ms, %d ms, %d ms of queue, %d lost)',
    (bytesPerMs, roundTripMs, queueMs, ambientLoss) => {
      const link = { bytesPerMs, roundTripMs, queueMs, ambientLoss };
      for (const seed of [1, 2, 3]) {
        const { ours, theirs, least } = compete(link, { ...shared, seed });
        expect(ours).toBeLessThanOrEqual(0.5);
        expect(theirs).toBeGreaterThan(0.1);
        expect(least).toBeGreaterThan(0.01);
      }
    },
  );

  test('takes what Reno by itself leaves of a near link with a deep queue and a bad cable', () => {
    const link = { bytesPerMs: 125_000, roundTripMs: 1, queueMs: 50, ambientLoss: 0.001 };
    const { ours, theirs } = compete(link, shared);
    expect(ours).toBeLessThanOrEqual(0.8);
    expect(theirs).toBeGreaterThan(0.1);
  });
});

describe('the pace alone', () => {
  const alone = { seconds: 20, isShared: false };

  test.each([
    [1_250, 0],
    [12_500, 0],
    [125_000, 0],
    [12_500, 0.01],
    [125_000, 0.01],
  ])(
    'keeps a link of %d bytes/ms busy that loses %d, and takes no overload for a bad cable',
    (bytesPerMs, ambientLoss) => {
      const link = { bytesPerMs, roundTripMs: 0.3, queueMs: 5, ambientLoss };
      const { offered, used } = compete(link, alone);
      expect(used).toBeGreaterThan(0.65);
      expect(offered).toBeLessThan(1.02);
    },
  );

  test.each([0.001, 0.01, 0.05])(
    'fills the link of its own host whatever cables lose (%d)',
    (ambientLoss) => {
      const link = { bytesPerMs: 125_000, roundTripMs: 0.3, queueMs: 5, ambientLoss };
      expect(compete(link, { ...alone, ownBytesPerMs: 12_500 }).used).toBeGreaterThan(0.97);
    },
  );

  test('cuts what leaves, and not what is allowed and does not leave', () => {
    const limits = { rateBytesPerS: 150e6, maxRateBytesPerS: 1.2e9, burstBytes: 1e6 };
    let pace: Pace = newPace(limits, 0);
    // The host's own link carries 10 MB/s.
    for (let ms = 0; ms < 5_000; ms++) pace = withLeft(recovered(pace, ms), 10_000, 28, ms);
    expect(pace.rateBytesPerS).toBe(150e6);
    const cut = lossReported(pace, pace.heard / 20, pace.heard, 5_000);
    expect(cut.rateBytesPerS).toBeLessThan(15e6);
    expect(cut.rateBytesPerS).toBeGreaterThan(8e6);
  });

  test('does not take a busy host for a slow network', () => {
    const link = { bytesPerMs: 125_000, roundTripMs: 0.3, queueMs: 5, ambientLoss: 0.01 };
    const conditions = { ...alone, ownBytesPerMs: 12_500, hiccups: 0.005 };
    // It stands still for 38 % of the time.
    for (const seed of [1, 2, 3]) {
      expect(compete(link, { ...conditions, seed }).used).toBeGreaterThan(0.55);
    }
  });
});

test.each([
  [0, 100],
  [30, 70],
  [50, 50],
  [1_000, 50],
])(
  'of a link of 100 over which %d is served besides, a session takes %d at most',
  (served, most) => {
    expect(roomBeside(100, served)).toBe(most);
  },
);

describe('a receive buffer that fills up', () => {
  const limits = { rateBytesPerS: 100e6, maxRateBytesPerS: 1.2e9, burstBytes: 1e6 };

  test('makes the leader wait, the longer the fuller it is, and ends the slow start', () => {
    expect(pauseMs(250)).toBeGreaterThan(0);
    expect(pauseMs(1_000)).toBe(4 * pauseMs(250));
    const pace = backlogReported(newPace(limits, 0), 300, 100);
    expect(pace).toMatchObject({ situation: 'host-bound', rateBytesPerS: 100e6 });
  });

  test('that is more than half full slows it down as well', () => {
    const pace = backlogReported(newPace(limits, 0), 700, 100);
    expect(pace.rateBytesPerS).toBeLessThan(100e6);
  });
});
