import { type Clock, sleep } from '#libs/clock/clock.js';

const firstPauseMs = 100;
const longestPauseMs = 5_000;
const firstDemotionMs = 2_000;
const longestDemotionMs = 60_000;
/** One that took long to fail gives way for this many times as long. */
const demotionPerCost = 10;
const mostFailures = 4;

interface Failures {
  readonly count: number;
  /** How long the last one took. */
  readonly costMs: number;
  readonly lastMs: number;
}

/**
 * The sources of one stripe. One that failed gives way to those after it, ever longer; when all
 * have, the one that failed least is tried again after a pause.
 */
export class SourceList {
  private readonly failures = new Map<string, Failures>();

  /** @param bad sources that sent wrong bytes: not asked again */
  constructor(
    private readonly urls: readonly string[],
    private readonly bad: ReadonlySet<string>,
    private readonly clock: Clock,
  ) {}

  isPlanned(url: string): boolean {
    return url === this.urls[0];
  }

  /** The planned source, if it is well; not the last of all, which everybody relies on. */
  helper(): string | undefined {
    const [planned, ...others] = this.urls;
    const isWell = planned !== undefined && !this.bad.has(planned) && !this.failures.has(planned);
    return isWell && others.length > 0 && others.at(-1) !== planned ? planned : undefined;
  }

  /** The source to try next; none when all are bad. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const fit = this.urls.filter((url) => !this.bad.has(url));
      const best = fit.find((url) => this.isFit(url));
      const [leastMs = 0, least] = fit
        .map((url) => [this.leftMs(url, firstPauseMs, longestPauseMs), url] as const)
        .sort(([a], [b]) => a - b)[0] ?? [0, undefined];
      if (best !== undefined || leastMs <= 0) return best ?? least;
      await sleep(this.clock, leastMs);
    }
  }

  /** Failures in a row, as far as they count. */
  failuresOf(url: string): number {
    return Math.min(this.failures.get(url)?.count ?? 0, mostFailures);
  }

  succeeded(url: string): void {
    this.failures.delete(url);
  }

  failed(url: string, costMs: number): void {
    const count = (this.failures.get(url)?.count ?? 0) + 1;
    this.failures.set(url, { count, costMs, lastMs: this.clock.nowMs() });
  }

  private isFit(url: string): boolean {
    const { costMs = 0, lastMs = 0 } = this.failures.get(url) ?? {};
    const demotedMs = lastMs + demotionPerCost * costMs - this.clock.nowMs();
    return Math.max(demotedMs, this.leftMs(url, firstDemotionMs, longestDemotionMs)) <= 0;
  }

  /** What is left of a pause that doubles with every failure in a row. */
  private leftMs(url: string, firstMs: number, longestMs: number): number {
    const failures = this.failures.get(url);
    if (!failures) return 0;
    const pauseMs = Math.min(firstMs * 2 ** (failures.count - 1), longestMs);
    return failures.lastMs + pauseMs - this.clock.nowMs();
  }
}
