import type { Clock } from '#libs/clock/clock.js';

const windowMs = 500;

/** How many bytes a second pass, of late. */
export class RateMeter {
  private bytes = 0;
  private sinceMs: number;
  private lastBytesPerS = 0;

  constructor(private readonly clock: Pick<Clock, 'nowMs'>) {
    this.sinceMs = clock.nowMs();
  }

  add(bytes: number): void {
    this.turn();
    this.bytes += bytes;
  }

  /** Of the last half second or more that is over. */
  bytesPerS(): number {
    this.turn();
    return this.lastBytesPerS;
  }

  private turn(): void {
    const nowMs = this.clock.nowMs();
    const passedMs = nowMs - this.sinceMs;
    if (passedMs < windowMs) return;
    this.lastBytesPerS = (this.bytes * 1_000) / passedMs;
    this.bytes = 0;
    this.sinceMs = nowMs;
  }
}
