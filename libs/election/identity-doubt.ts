import type { RegistrationTimings } from './timings.js';

/** Heartbeats that may be lost before a conflict is taken to be over. */
const patience = 3;

/**
 * A node whose name and key another living agent uses as well neither leads nor registers: nobody
 * could tell the two apart. It says so periodically, so that the other one hears it too, until it
 * has not heard of the other for a while.
 */
export class IdentityDoubt {
  private untilMs = Number.NEGATIVE_INFINITY;
  private sayAtMs = Number.POSITIVE_INFINITY;

  constructor(
    private readonly timings: RegistrationTimings,
    private readonly say: () => void,
  ) {}

  isActive(nowMs: number): boolean {
    return nowMs < this.untilMs;
  }

  /** Another sign of the other agent. @returns whether it is the first one */
  extend(nowMs: number): boolean {
    const isFirst = !this.isActive(nowMs);
    this.untilMs = nowMs + patience * this.timings.expiryMs;
    this.sayAtMs = Math.min(this.sayAtMs, nowMs);
    return isFirst;
  }

  tick(nowMs: number): void {
    if (!this.isActive(nowMs)) {
      this.untilMs = Number.NEGATIVE_INFINITY;
      this.sayAtMs = Number.POSITIVE_INFINITY;
    } else if (nowMs >= this.sayAtMs) {
      this.sayAtMs = nowMs + this.timings.heartbeatMs;
      this.say();
    }
  }

  wakeAtMs(): number {
    return this.untilMs > 0 ? Math.min(this.untilMs, this.sayAtMs) : Number.POSITIVE_INFINITY;
  }
}
