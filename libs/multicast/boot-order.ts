/** How long two agents of one name are remembered after both were last heard. */
export const conflictMs = 30_000;

export type BootStanding = 'current' | 'stale' | 'conflict';

interface Boot {
  readonly id: bigint;
  readonly firstSentAtMs: number;
  lastSentAtMs: number;
}

/**
 * The boots of one sender in the order of its own clock. A restart ends the former boot: its frames
 * are stale. A former boot that still speaks after the next began is a second living agent, as when
 * a host was cloned with its key.
 */
export class BootOrder {
  private current?: Boot;
  private former?: bigint;
  private conflictUntilMs = Number.NEGATIVE_INFINITY;

  hear(boot: bigint, sentAtMs: number, nowMs: number): BootStanding {
    const { current } = this;
    if (!current || current.id === boot) {
      this.speaks(
        current ?? { id: boot, firstSentAtMs: sentAtMs, lastSentAtMs: sentAtMs },
        sentAtMs,
      );
      return nowMs < this.conflictUntilMs ? 'conflict' : 'current';
    }
    if (boot === this.former && sentAtMs > current.firstSentAtMs) {
      this.conflictUntilMs = nowMs + conflictMs;
    } else if (sentAtMs <= current.lastSentAtMs) return 'stale';
    this.former = current.id;
    this.current = { id: boot, firstSentAtMs: sentAtMs, lastSentAtMs: sentAtMs };
    return nowMs < this.conflictUntilMs ? 'conflict' : 'current';
  }

  private speaks(boot: Boot, sentAtMs: number): void {
    boot.lastSentAtMs = Math.max(boot.lastSentAtMs, sentAtMs);
    this.current = boot;
  }
}
