const perSecond = 100;
const maxSources = 1_024;

/**
 * How many frames of senders that it does not know yet an agent tries to open: making their key
 * costs more than all other checks, so a flood of them must not get that far. Frames of known
 * senders are not held up by it.
 */
export class StrangerLimit {
  private readonly tried = new Map<string, number>();
  private second = 0;

  allows(source: string, nowMs: number): boolean {
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.second) {
      this.second = second;
      this.tried.clear();
    }
    // When there are too many sources to count, the rest count as one.
    const counted = this.tried.size < maxSources || this.tried.has(source) ? source : '';
    const tried = this.tried.get(counted) ?? 0;
    this.tried.set(counted, tried + 1);
    return tried < perSecond;
  }
}
