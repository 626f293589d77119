import { seededRandom } from '#libs/testkit/seeded-random.js';
import { newPace, type Pace } from './pace.js';
import { begun, withRoundTrip } from './pace-way.js';
import { heardEcho, noRoundTrips } from './round-trips.js';
import { lossReported, recovered, withLeft } from './sender-pace.js';
import { announceEveryMs, quietReportEveryMs } from './timing.js';

const segmentBytes = 1_448;
const frameBytes = 1_424;
const reportEveryMs = 50;
/** Until a member's report is here, the way not counted. */
const reportMs = 25;
/** How long a report waits at most for busy hosts. */
const wakeupMs = 5;
const members = 4;
const greetings = 4;

/** A link that a session shares. */
export interface Bottleneck {
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

/** An announcement that members echo, and how long it and the echo are under way. */
interface Stamp {
  readonly leftMs: number;
  readonly tookMs: number;
}

interface Told {
  readonly atMs: number;
  readonly node: string;
  readonly stamp: Stamp;
  readonly expected: number;
  readonly lost: number;
}

/** A session's members, its pace, and the reports that are on their way to it. */
class Session {
  pace: Pace = newPace({ rateBytesPerS: 150e6, maxRateBytesPerS: 1.2e9, burstBytes: 1e6 }, 0);
  private fraction = 0;
  private stamp: Stamp;
  private readonly trips = noRoundTrips();
  private readonly heard = Array.from({ length: members }, () => ({ expected: 0, lost: 0 }));
  private readonly reports: Told[] = [];

  constructor(
    private readonly random: () => number,
    private readonly ambientLoss: number,
    roundTripMs: number,
  ) {
    this.stamp = { leftMs: 1, tookMs: roundTripMs };
    for (let answer = 0; answer < greetings * members; answer++) {
      const greeting = { echoedMs: 1, heldMs: 0, lostFrames: 0, expectedFrames: 0 };
      const heardMs = 1 + roundTripMs + wakeupMs * random();
      this.measure({ ...greeting, node: `m${answer % members}` }, heardMs);
    }
    this.pace = begun(this.pace);
  }

  /** Lets the frames of a millisecond leave. */
  sent(bytes: number, dropShare: number, roundTripMs: number, ms: number): void {
    if (ms % announceEveryMs === 0) this.stamp = { leftMs: ms + 1, tookMs: roundTripMs };
    this.fraction += bytes / frameBytes;
    const frames = Math.floor(this.fraction);
    this.fraction -= frames;
    // What the shared link drops is lost to all, what a cable drops to one.
    const shared = lostOf(this.random, frames, dropShare);
    for (const [member, count] of this.heard.entries()) {
      count.expected += frames;
      count.lost += shared + lostOf(this.random, frames - shared, this.ambientLoss);
      const sinceMs = ms + 7 * member;
      if (sinceMs % reportEveryMs > 0) continue;
      const told = { atMs: ms + roundTripMs + reportMs, node: `m${member}`, stamp: this.stamp };
      if (count.lost > 0 || sinceMs % quietReportEveryMs === 0) {
        this.reports.push({ ...told, ...count });
      }
      Object.assign(count, { expected: 0, lost: 0 });
    }
    this.pace = withLeft(recovered(this.pace, ms), bytes, frames * members, ms);
  }

  hear(ms: number): void {
    for (let next = this.reports[0]; next && next.atMs <= ms; next = this.reports[0]) {
      this.reports.shift();
      const { stamp, node, expected, lost } = next;
      const heldMs = ms - stamp.leftMs - stamp.tookMs - wakeupMs * this.random();
      const counts = { lostFrames: lost, expectedFrames: expected };
      this.measure({ node, echoedMs: stamp.leftMs, heldMs, ...counts }, ms);
      if (lost > 0) this.pace = lossReported(this.pace, lost, expected, ms);
    }
  }

  private measure(echo: Parameters<typeof heardEcho>[1], ms: number): void {
    this.pace = withRoundTrip(this.pace, heardEcho(this.trips, echo, ms));
  }
}

/** What a sender's own link carries: it holds back, and loses nothing. */
const noLimit = Number.POSITIVE_INFINITY;

export interface Conditions {
  readonly seconds: number;
  readonly isShared: boolean;
  readonly ownBytesPerMs?: number;
  /** Chance per millisecond that the sender stands still, for 20 to 220 ms. */
  readonly hiccups?: number;
  readonly seed?: number;
}

/** Shares of the link that a session and, if there is one, a TCP flow get in its second half. */
export function compete(link: Bottleneck, conditions: Conditions) {
  const { bytesPerMs, roundTripMs, queueMs, ambientLoss = 0 } = link;
  const { seconds, isShared, ownBytesPerMs = noLimit, hiccups = 0, seed = 1 } = conditions;
  const random = seededRandom(seed);
  const reno = new Reno();
  const session = new Session(random, ambientLoss, roundTripMs);
  let [queued, stillUntilMs] = [0, 0];
  let [ours, theirs, offered, left, least] = [0, 0, 0, 0, Number.POSITIVE_INFINITY];
  for (let ms = 0; ms < seconds * 1_000; ms++) {
    if (ms >= stillUntilMs && random() < hiccups) stillUntilMs = ms + 20 + 200 * random();
    const roundTrip = roundTripMs + queued / bytesPerMs;
    const tcpBytes = isShared ? reno.window / roundTrip : 0;
    const allowed = session.pace.rateBytesPerS / 1_000;
    const ourBytes = ms < stillUntilMs ? 0 : Math.min(ownBytesPerMs, allowed);
    const arriving = tcpBytes + ourBytes;
    const dropped = Math.max(0, arriving - (bytesPerMs * (queueMs + 1) - queued));
    queued = Math.max(0, queued + arriving - dropped - bytesPerMs);
    const dropShare = arriving > 0 ? dropped / arriving : 0;
    const tcpSegments = Math.max(1, tcpBytes / segmentBytes);
    const arrives = (1 - dropShare) * (1 - ambientLoss);
    const hasLost = arrives < 1 && random() < 1 - arrives ** tcpSegments;
    reno.passed(1, roundTrip, tcpBytes * (1 - dropShare), hasLost);
    session.sent(ourBytes, dropShare, roundTrip, ms);
    session.hear(ms);
    left += ourBytes;
    if (ms < seconds * 500) continue;
    ours += ourBytes * (1 - dropShare) * (1 - ambientLoss);
    offered += ourBytes;
    theirs += tcpBytes * (1 - dropShare);
    least = Math.min(least, session.pace.rateBytesPerS / 1_000);
  }
  const capacity = bytesPerMs * seconds * 500;
  const shares = { ours: ours / capacity, theirs: theirs / capacity, offered: offered / capacity };
  const used = left / (Math.min(bytesPerMs, ownBytesPerMs) * seconds * 1_000);
  return { ...shares, least: least / bytesPerMs, used };
}
