import type { Clock } from '#libs/clock/clock.js';

export interface LinkGateOptions {
  readonly clock: Clock;
  /** Bytes/s at most at a time; `undefined`: as many as the link takes. */
  readonly limitAt: (nowMs: number) => number | undefined;
  /** What may be under way at a time, in bytes: more than this waits for its turn. */
  readonly mostUnderWayBytes: number;
  /** The share of one processor that this process may use, and what it has used; for 1 s each. */
  readonly cpu?: { readonly share: number; readonly usedMs: () => number };
}

/** What a small assignment weighs more than one of this size, in bytes. */
const heavyBytes = 256 * 1024 * 1024;
const mostWeight = 1_000;
/** What a reader does not take in this time no longer keeps others from their turn. */
const longestTurnMs = 200;
/** A limit is kept over this time. */
const burstMs = 50;
/** How often processor time is looked at while it is short. */
const cpuPauseMs = 50;
const cpuWindowMs = 1_000;

/** How much more an assignment gets than the largest ones: small ones overtake. */
export function weightOf(containerBytes: number): number {
  return Math.min(mostWeight, Math.max(1, heavyBytes / Math.max(1, containerBytes)));
}

interface Waiting {
  readonly startTag: number;
  readonly bytes: number;
  readonly go: () => void;
}

/**
 * Who may use a link now. Flows share it by their weights (start-time fair queueing, Goyal et al.
 * 1996): of those who wait, the one with the lowest start tag goes next. A limit in bytes/s and a
 * cap on this process's own processor time hold everybody back.
 */
export class LinkGate {
  private virtualTime = 0;
  private readonly finishTags = new Map<string, number>();
  private readonly waiting: Waiting[] = [];
  private underWayBytes = 0;
  /** When what has passed is through at the limit's rate. */
  private paidToMs = 0;
  private timer: (() => void) | undefined;
  private cpuSince: { atMs: number; usedMs: number } | undefined;

  constructor(private readonly options: LinkGateOptions) {}

  /** Resolves when `bytes` of a flow may pass; what is returned says that they have. */
  pass(flow: string, weight: number, bytes: number): Promise<() => void> {
    const startTag = Math.max(this.virtualTime, this.finishTags.get(flow) ?? 0);
    this.finishTags.set(flow, startTag + bytes / weight);
    return new Promise((resolve) => {
      const go = () => resolve(this.begin(startTag, bytes));
      const at = this.waiting.findIndex((other) => other.startTag > startTag);
      this.waiting.splice(at < 0 ? this.waiting.length : at, 0, { startTag, bytes, go });
      this.next();
    });
  }

  private begin(startTag: number, bytes: number): () => void {
    this.virtualTime = Math.max(this.virtualTime, startTag);
    this.underWayBytes += bytes;
    let isThrough = false;
    const through = () => {
      if (isThrough) return;
      isThrough = true;
      cancel();
      this.underWayBytes -= bytes;
      if (this.underWayBytes === 0 && this.waiting.length === 0) this.finishTags.clear();
      this.next();
    };
    const cancel = this.options.clock.schedule(longestTurnMs, through);
    return through;
  }

  private next(): void {
    for (let head = this.waiting[0]; head && !this.timer; head = this.waiting[0]) {
      const isFull = this.underWayBytes + head.bytes > this.options.mostUnderWayBytes;
      if (isFull && this.underWayBytes > 0) return;
      const nowMs = this.options.clock.nowMs();
      const pauseMs = Math.max(this.limitPauseMs(nowMs, head.bytes), this.cpuPauseMs(nowMs));
      if (pauseMs > 0) {
        this.timer = this.options.clock.schedule(pauseMs, () => {
          this.timer = undefined;
          this.next();
        });
        return;
      }
      this.pay(nowMs, head.bytes);
      this.waiting.shift();
      head.go();
    }
  }

  private limitPauseMs(nowMs: number, bytes: number): number {
    const limit = this.options.limitAt(nowMs);
    if (limit === undefined) return 0;
    const aheadMs = Math.max(burstMs, (bytes * 1_000) / limit);
    const dueMs = Math.max(nowMs, this.paidToMs) + (bytes * 1_000) / limit - aheadMs;
    return Math.max(0, dueMs - nowMs);
  }

  private pay(nowMs: number, bytes: number): void {
    const limit = this.options.limitAt(nowMs);
    if (limit !== undefined) {
      this.paidToMs = Math.max(nowMs, this.paidToMs) + (bytes * 1_000) / limit;
    }
  }

  private cpuPauseMs(nowMs: number): number {
    const { cpu } = this.options;
    if (!cpu) return 0;
    const usedMs = cpu.usedMs();
    const since = this.cpuSince;
    if (!since || nowMs - since.atMs >= cpuWindowMs) {
      this.cpuSince = { atMs: nowMs, usedMs };
      return 0;
    }
    return usedMs - since.usedMs > cpu.share * cpuWindowMs ? cpuPauseMs : 0;
  }
}
