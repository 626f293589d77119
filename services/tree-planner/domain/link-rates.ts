import type { LeaderReceived } from '#libs/contracts/index.js';
import { type MeasuredRate, observeRate } from '#libs/tree/rate.js';

/** How fast the links of segments (and of the origin: only `up`) were found to be. */
export interface LinkRates {
  readonly up: ReadonlyMap<string, MeasuredRate>;
  readonly down: ReadonlyMap<string, MeasuredRate>;
}

/** What a source sent within one distribution. */
export interface Served {
  readonly bytes: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export const nothingMeasured: LinkRates = { up: new Map(), down: new Map() };

/** Links change with the time of day, not from one publication to the next. */
export const rateHalfLifeMs = 6 * 3_600_000;

/** The receiver's link after it received everything. */
export function afterReception(
  rates: LinkRates,
  { segment, bytes, durationMs }: LeaderReceived,
  atMs: number,
): LinkRates {
  const sample = { bytes: Number(bytes), durationMs: Number(durationMs), atMs };
  return { ...rates, down: withSample(rates.down, segment, sample) };
}

/** What sources have sent, after one more leader has received. */
export function withServed(
  served: ReadonlyMap<string, Served>,
  { links }: LeaderReceived,
  atMs: number,
): ReadonlyMap<string, Served> {
  const after = new Map(served);
  for (const { source, bytes, durationMs } of links) {
    const known = after.get(source) ?? { bytes: 0, fromMs: atMs, toMs: atMs };
    after.set(source, {
      bytes: known.bytes + Number(bytes),
      fromMs: Math.min(known.fromMs, atMs - Number(durationMs)),
      toMs: Math.max(known.toMs, atMs),
    });
  }
  return after;
}

/** The sources' links after a distribution: each served several others at a time. */
export function afterDistribution(
  rates: LinkRates,
  served: ReadonlyMap<string, Served>,
): LinkRates {
  let { up } = rates;
  for (const [source, { bytes, fromMs, toMs }] of served) {
    up = withSample(up, source, { bytes, durationMs: toMs - fromMs, atMs: toMs });
  }
  return { ...rates, up };
}

function withSample(
  rates: ReadonlyMap<string, MeasuredRate>,
  name: string,
  sample: { bytes: number; durationMs: number; atMs: number },
): ReadonlyMap<string, MeasuredRate> {
  const known = rates.get(name);
  const rate = observeRate(known, sample, rateHalfLifeMs);
  return !rate || rate === known ? rates : new Map(rates).set(name, rate);
}
