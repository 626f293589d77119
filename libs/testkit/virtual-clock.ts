import type { Cancel, Clock } from '#libs/clock/clock.js';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  /** `undefined`: cancelled. */
  action?: () => void;
}

/** A clock that moves only when told to; timers fire in order of time, then of scheduling. */
export class VirtualClock implements Clock {
  /** A binary heap: the timer that is due first is at 0. */
  private readonly timers: Timer[] = [];
  private order = 0;

  constructor(private currentMs = 0) {}

  nowMs(): number {
    return this.currentMs;
  }

  schedule(delayMs: number, action: () => void): Cancel {
    const atMs = this.currentMs + Math.max(0, delayMs);
    const timer: Timer = { atMs, order: this.order++, action };
    this.add(timer);
    return () => {
      timer.action = undefined;
    };
  }

  /** When the next timer is due; undefined while nobody waits. */
  nextDueMs(): number | undefined {
    for (let next = this.timers[0]; next && !next.action; next = this.timers[0]) this.removeFirst();
    return this.timers[0]?.atMs;
  }

  /** Moves time forward by `durationMs`, firing what falls due on the way. */
  advance(durationMs: number): void {
    const untilMs = this.currentMs + durationMs;
    for (let next = this.timers[0]; next && next.atMs <= untilMs; next = this.timers[0]) {
      this.removeFirst();
      if (!next.action) continue;
      this.currentMs = next.atMs;
      next.action();
    }
    this.currentMs = untilMs;
  }

  private add(timer: Timer): void {
    const { timers } = this;
    let at = timers.push(timer) - 1;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = timers[parentAt];
      if (!parent || isBefore(parent, timer)) break;
      timers[at] = parent;
      at = parentAt;
    }
    timers[at] = timer;
  }

  private removeFirst(): void {
    const { timers } = this;
    const last = timers.pop();
    if (!last || timers.length === 0) return;
    let at = 0;
    for (;;) {
      const left = timers[2 * at + 1];
      const right = timers[2 * at + 2];
      const smaller = left && right && isBefore(right, left) ? right : left;
      if (!smaller || isBefore(last, smaller)) break;
      timers[at] = smaller;
      at = 2 * at + (smaller === left ? 1 : 2);
    }
    timers[at] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs;
}
