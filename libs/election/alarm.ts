import type { Cancel, Clock } from '#libs/clock/clock.js';

/**
 * One timer for many deadlines. A deadline that moves later costs nothing: the timer rings at the
 * old time, finds nothing due and is set again. Time never goes back, even if the host clock does.
 */
export class Alarm {
  private cancel: Cancel = () => {};
  private ringsAtMs = Number.POSITIVE_INFINITY;
  private lastHostMs: number;
  private aheadMs = 0;

  constructor(
    private readonly clock: Clock,
    private readonly onRing: () => void,
  ) {
    this.lastHostMs = clock.nowMs();
  }

  nowMs(): number {
    const hostMs = this.clock.nowMs();
    if (hostMs < this.lastHostMs) this.aheadMs += this.lastHostMs - hostMs;
    this.lastHostMs = hostMs;
    return hostMs + this.aheadMs;
  }

  /** Rings at `atMs` or earlier. */
  setFor(atMs: number): void {
    if (this.ringsAtMs <= atMs) return;
    this.cancel();
    this.ringsAtMs = atMs;
    this.cancel = this.clock.schedule(Math.max(0, atMs - this.nowMs()), () => {
      this.ringsAtMs = Number.POSITIVE_INFINITY;
      this.onRing();
    });
  }

  stop(): void {
    this.cancel();
    this.ringsAtMs = Number.NEGATIVE_INFINITY;
  }
}
