import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import {
  backlogReported,
  lossReported,
  newPace,
  type Pace,
  pauseMs,
  recovered,
  withLeft,
} from './sender-pace.js';

const segmentBytes = 1_448;
const frameBytes = 1_408;
const reportEveryMs = 50;

interface Bottleneck {
  readonly bytesPerMs: number;
  readonly roundTripMs: number;
  /** What its queue holds before it drops what comes last. */
  readonly queueMs: number;
  /** Share that is lost whatever the rate. */
  readonly ambientLoss?: number;
}

/** TCP Reno, once a round trip: a segment more, or half after a loss. */
class Reno {
  window = 10 * segmentBytes;
  private threshold = Number.POSITIVE_INFINITY;
  private sinceMs = 0;
  private ackedBytes = 0;
  private hasLost = false;

  passed(ms: number, roundTripMs: number, ackedBytes: number, hasLost: boolean): void {
    this.sinceMs += ms;
    this.ackedBytes += ackedBytes;
    this.hasLost ||= hasLost;
    if (this.sinceMs < roundTripMs) return;
    if (this.hasLost) this.threshold = this.window / 2;
    const grown = this.window < this.threshold ? this.ackedBytes : segmentBytes;
    const next = this.hasLost ? this.threshold : this.window + grown;
    this.window = Math.max(2 * segmentBytes, next);
    Object.assign(this, { sinceMs: 0, ackedBytes: 0, hasLost: false });
  }
}

/** Shares of the link that a session and, if there is one, a TCP flow get in its second half. */
function compete(link: Bottleneck, seconds: number, isShared: boolean) {
  const { bytesPerMs, roundTripMs, queueMs, ambientLoss = 0 } = link;
  const random = seededRandom(1);
  const reno = new Reno();
  const limits = { rateBytesPerS: 150e6, maxRateBytesPerS: 1.2e9, burstBytes: 1e6 };
  let pace: Pace = newPace(limits, 0);
  let queued = 0;
  let [sent, lost] = [0, 0];
  let [ours, theirs, offered, least] = [0, 0, 0, Number.POSITIVE_INFINITY];
  for (let ms = 0; ms < seconds * 1_000; ms++) {
    const roundTrip = roundTripMs + queued / bytesPerMs;
    const tcpBytes = isShared ? reno.window / roundTrip : 0;
    const ourBytes = pace.rateBytesPerS / 1_000;
    const arriving = tcpBytes + ourBytes;
    const dropped = Math.max(0, arriving - (bytesPerMs * (queueMs + 1) - queued));
    queued = Math.max(0, queued + arriving - dropped - bytesPerMs);
    const dropShare = dropped / arriving;
    const tcpSegments = Math.max(1, tcpBytes / segmentBytes);
    const arrives = (1 - dropShare) * (1 - ambientLoss);
    const hasLost = arrives < 1 && random() < 1 - arrives ** tcpSegments;
    reno.passed(1, roundTrip, tcpBytes * (1 - dropShare), hasLost);
    const got = ourBytes * (1 - dropShare) * (1 - ambientLoss);
    sent += ourBytes / frameBytes;
    lost += (ourBytes - got) / frameBytes;
    pace = withLeft(recovered(pace, ms), ourBytes);
    if (ms % reportEveryMs === 0) {
      if (lost >= 1) pace = lossReported(pace, lost, sent, ms);
      [sent, lost] = [0, 0];
    }
    if (ms < seconds * 500) continue;
    ours += got;
    offered += ourBytes;
    theirs += tcpBytes * (1 - dropShare);
    least = Math.min(least, pace.rateBytesPerS / 1_000);
  }
  const capacity = bytesPerMs * seconds * 500;
  const shares = { ours: ours / capacity, theirs: theirs / capacity, offered: offered / capacity };
  return { ...shares, least: least / bytesPerMs };
}

describe('the pace beside a TCP flow', () => {
  test.each([
    [12_500, 0.3, 5],
    [12_500, 1, 20],
    [125_000, 0.3, 5],
    [125_000, 1, 20],
  ])(
    'on a LAN of %d bytes/ms, %d ms away, %d ms of queue, is at most half and never below 1 %%',
    (bytesPerMs, roundTripMs, queueMs) => {
      const { ours, theirs, least } = compete({ bytesPerMs, roundTripMs, queueMs }, 120, true);
      expect(ours).toBeLessThanOrEqual(0.5);
      expect(ours).toBeGreaterThan(0.05);
      expect(least).toBeGreaterThan(0.01);
      expect(ours + theirs).toBeGreaterThan(0.9);
    },
  );

  test.each([
    [1_250, 10, 5, 0],
    [1_250, 10, 50, 0],
    [1_250, 40, 50, 0.001],
    [12_500, 0.3, 5, 0.001],
    [12_500, 1, 5, 0.01],
    [12_500, 10, 5, 0],
    [12_500, 10, 50, 0],
    [12_500, 40, 50, 0],
    [125_000, 0.3, 50, 0],
    [125_000, 1, 50, 0],
    [125_000, 10, 5, 0],
    [125_000, 10, 50, 0],
  ])(
    'on a slow, long or lossy way (%d bytes/ms, %d ms, %d ms of queue, %d lost) is about half',
    (bytesPerMs, roundTripMs, queueMs, ambientLoss) => {
      const link = { bytesPerMs, roundTripMs, queueMs, ambientLoss };
      const { ours, least } = compete(link, 120, true);
      expect(ours).toBeLessThanOrEqual(0.55);
      expect(least).toBeGreaterThan(0.01);
    },
  );

  test.each([
    [12_500, 0.3, 50, 0.05],
    [12_500, 40, 5, 0],
    [125_000, 1, 50, 0.001],
    [125_000, 40, 50, 0],
  ])(
    'leaves it a part at its worst (%d bytes/ms, %d ms, %d ms of queue, %d lost)',
    (bytesPerMs, roundTripMs, queueMs, ambientLoss) => {
      const { ours, theirs } = compete(
        { bytesPerMs, roundTripMs, queueMs, ambientLoss },
        120,
        true,
      );
      expect(ours).toBeLessThanOrEqual(0.85);
      expect(theirs).toBeGreaterThan(0.05);
    },
  );
});

describe('the pace alone', () => {
  test.each([1_250, 12_500, 125_000])(
    'does not take an overloaded link of %d bytes/ms for a bad cable',
    (bytesPerMs) => {
      const link = { bytesPerMs, roundTripMs: 0.3, queueMs: 5 };
      const { offered, ours } = compete(link, 60, false);
      expect(ours).toBeGreaterThan(0.6);
      expect(offered).toBeLessThan(1.02);
    },
  );

  test('does not take what a small overshoot goes on to lose for a bad cable', () => {
    const limits = { rateBytesPerS: 100e6, maxRateBytesPerS: 1.2e9, burstBytes: 1e6 };
    const overshot = lossReported(newPace(limits, 0), 100, 1_000, 0);
    expect(overshot.rateBytesPerS).toBeCloseTo(85.5e6);
    const cut = lossReported(overshot, 60, 1_000, 300);
    expect(cut.rateBytesPerS).toBeLessThan(50e6);
    expect(cut.ambientLossShare).toBe(0);
  });

  test('keeps to what a link carries', () => {
    const link = { bytesPerMs: 125_000, roundTripMs: 1, queueMs: 20 };
    expect(compete(link, 60, false).ours).toBeGreaterThan(0.6);
  });

  test('does not slow down for loss that no rate changes', () => {
    const link = { bytesPerMs: 12_500, roundTripMs: 1, queueMs: 20, ambientLoss: 0.01 };
    expect(compete(link, 60, false).ours).toBeGreaterThan(0.6);
  });
});

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
