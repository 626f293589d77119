import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { newPace, type Pace } from './pace.js';
import {
  backlogReported,
  lossReported,
  pauseMs,
  recovered,
  roomBeside,
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

/** How many of so many independent frames are lost. */
function lostOf(random: () => number, frames: number, share: number): number {
  if (share <= 0) return 0;
  let lost = 0;
  for (let left = frames; ; lost++) {
    left -= 1 + Math.floor(Math.log(1 - random()) / Math.log(1 - share));
    if (left < 0) return lost;
  }
}

const members = 4;
/** Until a member's report is here. */
const reportMs = 25;
/** What a sender's own link carries: it holds back, and loses nothing. */
const noLimit = Number.POSITIVE_INFINITY;

interface Conditions {
  readonly seconds: number;
  readonly isShared: boolean;
  readonly ownBytesPerMs?: number;
  /** Chance per millisecond that the sender stands still, for 20 to 220 ms. */
  readonly hiccups?: number;
  readonly seed?: number;
}

/** Shares of the link that a session and, if there is one, a TCP flow get in its second half. */
function compete(link: Bottleneck, conditions: Conditions) {
  const { bytesPerMs, roundTripMs, queueMs, ambientLoss = 0 } = link;
  const { seconds, isShared, ownBytesPerMs = noLimit, hiccups = 0, seed = 1 } = conditions;
  const random = seededRandom(seed);
  const reno = new Reno();
  const limits = { rateBytesPerS: 150e6, maxRateBytesPerS: 1.2e9, burstBytes: 1e6 };
  let pace: Pace = newPace(limits, 0);
  let [queued, fraction, stillUntilMs] = [0, 0, 0];
  const heard = Array.from({ length: members }, () => ({ expected: 0, lost: 0 }));
  const reports: { atMs: number; expected: number; lost: number }[] = [];
  let [ours, theirs, offered, left, least] = [0, 0, 0, 0, Number.POSITIVE_INFINITY];
  for (let ms = 0; ms < seconds * 1_000; ms++) {
    if (ms >= stillUntilMs && random() < hiccups) stillUntilMs = ms + 20 + 200 * random();
    const roundTrip = roundTripMs + queued / bytesPerMs;
    const tcpBytes = isShared ? reno.window / roundTrip : 0;
    const ourBytes = ms < stillUntilMs ? 0 : Math.min(ownBytesPerMs, pace.rateBytesPerS / 1_000);
    const arriving = tcpBytes + ourBytes;
    const dropped = Math.max(0, arriving - (bytesPerMs * (queueMs + 1) - queued));
    queued = Math.max(0, queued + arriving - dropped - bytesPerMs);
    const dropShare = arriving > 0 ? dropped / arriving : 0;
    const tcpSegments = Math.max(1, tcpBytes / segmentBytes);
    const arrives = (1 - dropShare) * (1 - ambientLoss);
    const hasLost = arrives < 1 && random() < 1 - arrives ** tcpSegments;
    reno.passed(1, roundTrip, tcpBytes * (1 - dropShare), hasLost);
    fraction += ourBytes / frameBytes;
    const frames = Math.floor(fraction);
    fraction -= frames;
    // What the shared link drops is lost to all, what a cable drops to one.
    const shared = lostOf(random, frames, dropShare);
    for (const [member, count] of heard.entries()) {
      count.expected += frames;
      count.lost += shared + lostOf(random, frames - shared, ambientLoss);
      if ((ms + 7 * member) % reportEveryMs > 0) continue;
      if (count.lost > 0) reports.push({ atMs: ms + reportMs, ...count });
      Object.assign(count, { expected: 0, lost: 0 });
    }
    pace = withLeft(recovered(pace, ms), ourBytes, frames * members, ms);
    for (let next = reports[0]; next && next.atMs <= ms; next = reports[0]) {
      reports.shift();
      pace = lossReported(pace, next.lost, next.expected, ms);
    }
    left += ourBytes;
    if (ms < seconds * 500) continue;
    ours += ourBytes * (1 - dropShare) * (1 - ambientLoss);
    offered += ourBytes;
    theirs += tcpBytes * (1 - dropShare);
    least = Math.min(least, pace.rateBytesPerS / 1_000);
  }
  const capacity = bytesPerMs * seconds * 500;
  const shares = { ours: ours / capacity, theirs: theirs / capacity, offered: offered / capacity };
  const used = left / (Math.min(bytesPerMs, ownBytesPerMs) * seconds * 1_000);
  return { ...shares, least: least / bytesPerMs, used };
}

describe('the pace beside a TCP flow', () => {
  const shared = { seconds: 60, isShared: true };

  test.each([
    [1_250, 1, 20, 0],
    [1_250, 10, 5, 0],
    [1_250, 10, 50, 0],
    [1_250, 40, 50, 0.001],
    [12_500, 0.3, 5, 0],
    [12_500, 1, 20, 0],
    [12_500, 10, 5, 0],
    [12_500, 10, 50, 0],
    [12_500, 40, 5, 0],
    [12_500, 40, 50, 0],
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
    [125_000, 40, 50, 0],
    [125_000, 1, 50, 0.001],
  ])(
    'takes what Reno by itself leaves of a long way (%d bytes/ms, %d ms, %d ms of queue, %d lost)',
    (bytesPerMs, roundTripMs, queueMs, ambientLoss) => {
      const link = { bytesPerMs, roundTripMs, queueMs, ambientLoss };
      const { ours, theirs } = compete(link, shared);
      expect(ours).toBeLessThanOrEqual(0.8);
      expect(theirs).toBeGreaterThan(0.1);
    },
  );
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
