/** Nonces that were seen within the time for which a signature counts. */
export class NonceMemory {
  /** Nonce -> when it may be forgotten; oldest first. */
  private readonly seen = new Map<string, number>();

  constructor(private readonly lifeMs: number) {}

  /** Whether it is the first time. */
  isNew(nonce: string, nowMs: number): boolean {
    for (const [old, untilMs] of this.seen) {
      if (untilMs > nowMs) break;
      this.seen.delete(old);
    }
    if (this.seen.has(nonce)) return false;
    this.seen.set(nonce, nowMs + this.lifeMs);
    return true;
  }
}
