/** So many that return at once are admitted at once. */
const atOnce = 50;
/** The others follow at this rate. */
const perSecond = 50;

/**
 * Sites that return after an outage come back together, and would all pull together. A few are
 * admitted at once; the others one after the other, each moved by a bit that its name gives, so
 * that several planners do not tell the same ones at the same moment.
 */
export class Admission {
  private paidToMs = Number.NEGATIVE_INFINITY;

  /** When a site that returned at `nowMs` is admitted. */
  admit(nowMs: number, site: string): number {
    const stepMs = 1_000 / perSecond;
    this.paidToMs = Math.max(this.paidToMs, nowMs - atOnce * stepMs) + stepMs;
    if (this.paidToMs <= nowMs) return nowMs;
    return Math.ceil(this.paidToMs + jitterOf(site) * stepMs);
  }
}

/** 0 to 1, from the name (FNV-1a). */
function jitterOf(site: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(site)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash / 2 ** 32;
}
