import type { Clock } from '#libs/clock/clock.js';
import { type PeerHttp, readAll } from '#libs/fleet-http/adapters/peer-http.js';
import { type ControlClock, isTrusted } from '../app/control-clock.js';

/** What `GET /time` answers: the control plane's time, and how far it may be off. */
export interface TimeAnswer {
  readonly nowMs: number;
  readonly errorMs: number;
}

const samples = 4;
const timeoutMs = 2_000;
const longestAnswerBytes = 1_024;
const intervalMs = 60_000;
/** While the clock is not good enough to switch by. */
const soonMs = 1_000;
/** What a leader answers before it has measured: its members must not trust it. */
const unmeasuredErrorMs = 86_400_000;

/**
 * This host's distance from the control plane's clock, measured as by NTP: the answer with the
 * shortest way counts. A leader asks the control plane, members ask their leader, so errors add up
 * and are told along.
 */
export class ClockOffset {
  private best: ControlClock = { offsetMs: 0, errorMs: 0 };
  private cancel: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly http: PeerHttp,
    private readonly log: (line: string) => void,
  ) {}

  get current(): ControlClock {
    return this.best;
  }

  now(): TimeAnswer {
    const { offsetMs, errorMs } = this.best;
    return { nowMs: this.clock.nowMs() + offsetMs, errorMs: errorMs || unmeasuredErrorMs };
  }

  /** Measures against this URL now and every minute, until it is called again. */
  follow(url: string): void {
    this.cancel?.();
    const stop = { isAsked: false };
    this.cancel = () => {
      stop.isAsked = true;
    };
    void this.measure(url)
      .catch((error: Error) => this.log(`the clock of ${url} cannot be read: ${error.message}`))
      .then(() => {
        if (stop.isAsked) return;
        const waitMs = isTrusted(this.best) ? intervalMs : soonMs;
        this.cancel = this.clock.schedule(waitMs, () => this.follow(url));
      });
  }

  close(): void {
    this.cancel?.();
  }

  private async measure(url: string): Promise<void> {
    let best: ControlClock | undefined;
    for (let i = 0; i < samples; i++) {
      const sentMs = performance.now();
      const sentAtMs = this.clock.nowMs();
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await this.http.request(url, { signal, expect: 'fleet' });
      const text = (await readAll(response, longestAnswerBytes)).toString();
      const answer = JSON.parse(text) as TimeAnswer;
      const tripMs = performance.now() - sentMs;
      const errorMs = tripMs / 2 + answer.errorMs + clockTickMs;
      const offsetMs = answer.nowMs - (sentAtMs + tripMs / 2);
      if (!best || errorMs < best.errorMs) best = { offsetMs, errorMs };
    }
    if (best) this.best = best;
  }
}

/** Both clocks tell whole milliseconds. */
const clockTickMs = 1;
