/** How fast a link was found to be. */
export interface MeasuredRate {
  readonly bytesPerS: number;
  readonly measuredAtMs: number;
}

/** One transfer over a link. */
export interface RateSample {
  readonly bytes: number;
  readonly durationMs: number;
  readonly atMs: number;
}

/** A shorter transfer says more of round trips than of the link. */
export const smallestSampleBytes = 1024 * 1024;

/**
 * What a link is taken for after one more transfer. A transfer shows the least that a link can do:
 * a faster one counts at once; after slower ones the difference halves every `halfLifeMs`, however
 * often is measured.
 */
export function observeRate(
  known: MeasuredRate | undefined,
  { bytes, durationMs, atMs }: RateSample,
  halfLifeMs: number,
): MeasuredRate | undefined {
  if (bytes < smallestSampleBytes || durationMs <= 0) return known;
  const sample = (bytes * 1_000) / durationMs;
  if (!known || sample >= known.bytesPerS) return { bytesPerS: sample, measuredAtMs: atMs };
  const share = 2 ** (-Math.max(0, atMs - known.measuredAtMs) / halfLifeMs);
  return { bytesPerS: sample + (known.bytesPerS - sample) * share, measuredAtMs: atMs };
}

/** The middle of what is known: what an unmeasured link is taken for. */
export function medianRate(rates: Iterable<MeasuredRate>, fallbackBytesPerS: number): number {
  const sorted = [...rates].map(({ bytesPerS }) => bytesPerS).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? fallbackBytesPerS;
}
