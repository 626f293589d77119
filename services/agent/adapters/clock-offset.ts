import type { Clock } from '#libs/clock/clock.js';
import { type PeerHttp, readAll } from '#libs/fleet-http/adapters/peer-http.js';
import { type ControlClock, isTrusted } from '../app/control-clock.js';

/** What `GET /time` answers: the control plane's time, and how far it may be off. */
export interface TimeAnswer {
  readonly nowMs: number;
  readonly errorMs: number;
}

const samples = 4;
/** Measurements that are remembered: the best of them counts. */
const remembered = 8;
/** How far two clocks may drift apart, in milliseconds per millisecond: 100 ppm. */
const drift = 1e-4;
/** A clock that is better known than this is left alone for a while. */
const goodErrorMs = 10;
const timeoutMs = 2_000;
const longestAnswerBytes = 1_024;
const intervalMs = 60_000;
/** While the clock is not good enough to switch by. */
const soonMs = 1_000;
/**
 * While it could be known better, e.g. because all servers started together. After as many tries as
 * are remembered twice as long each time: a busy host or network is made no better by measuring.
 */
const betterMs = 2_000;
/** What a leader answers before it has measured: its members must not trust it. */
const unmeasuredErrorMs = 86_400_000;

/** One measurement, by the clock that no one sets. */
interface Measured {
  /** The control plane's time less `monotonicMs()`. */
  readonly offsetMs: number;
  readonly errorMs: number;
  /** `monotonicMs()` of the measurement. */
  readonly atMs: number;
}

/**
 * This host's distance from the control plane's clock, measured as by NTP: of the newest answers,
 * the one with the shortest way counts. A leader asks the control plane, members ask their leader,
 * so errors add up and are told along.
 */
export class ClockOffset {
  /** Newest last. */
  private measured: readonly Measured[] = [];
  private cancel: (() => void) | undefined;
  /** Measurements since it follows this URL. */
  private tries = 0;

  constructor(
    private readonly clock: Clock,
    private readonly http: PeerHttp,
    private readonly log: (line: string) => void,
    /** A clock that no one sets. */
    private readonly monotonicMs: () => number = () => performance.now(),
  ) {}

  get current(): ControlClock {
    const nowMs = this.monotonicMs();
    const errorOf = ({ errorMs, atMs }: Measured) => errorMs + (nowMs - atMs) * drift;
    const [best] = this.measured.toSorted((a, b) => errorOf(a) - errorOf(b));
    if (!best) return { offsetMs: 0, errorMs: 0 };
    return { offsetMs: best.offsetMs + nowMs - this.clock.nowMs(), errorMs: errorOf(best) };
  }

  now(): TimeAnswer {
    const { offsetMs, errorMs } = this.current;
    return { nowMs: this.clock.nowMs() + offsetMs, errorMs: errorMs || unmeasuredErrorMs };
  }

  /** Measures against this URL now and every minute, until it is called again. */
  follow(url: string): void {
    this.tries = 0;
    this.keepMeasuring(url);
  }

  close(): void {
    this.cancel?.();
  }

  private keepMeasuring(url: string): void {
    this.cancel?.();
    const stop = { isAsked: false };
    this.cancel = () => {
      stop.isAsked = true;
    };
    void this.measure(url)
      .catch((error: Error) => this.log(`the clock of ${url} cannot be read: ${error.message}`))
      .then(() => {
        if (stop.isAsked) return;
        this.cancel = this.clock.schedule(this.waitMs(), () => this.keepMeasuring(url));
      });
  }

  private waitMs(): number {
    const { current } = this;
    if (!isTrusted(current)) return soonMs;
    if (current.errorMs <= goodErrorMs) return intervalMs;
    this.tries += 1;
    return Math.min(intervalMs, betterMs * 2 ** Math.max(0, this.tries - remembered));
  }

  private async measure(url: string): Promise<void> {
    let best: Measured | undefined;
    for (let i = 0; i < samples; i++) {
      const sentMs = this.monotonicMs();
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await this.http.request(url, { signal, expect: 'fleet' });
      const text = (await readAll(response, longestAnswerBytes)).toString();
      const answer = JSON.parse(text) as TimeAnswer;
      const tripMs = this.monotonicMs() - sentMs;
      const errorMs = tripMs / 2 + answer.errorMs + clockTickMs;
      const offsetMs = answer.nowMs - (sentMs + tripMs / 2);
      if (!best || errorMs < best.errorMs) best = { offsetMs, errorMs, atMs: sentMs };
    }
    if (best) this.measured = [...this.measured.filter(agreesWith(best)), best].slice(-remembered);
  }
}

/** Who slept, or asks another control plane, has another distance from now on. */
function agreesWith(newest: Measured): (before: Measured) => boolean {
  return ({ offsetMs, errorMs, atMs }) =>
    Math.abs(offsetMs - newest.offsetMs) <= errorMs + newest.errorMs + (newest.atMs - atMs) * drift;
}

/** Both clocks tell whole milliseconds. */
const clockTickMs = 1;
