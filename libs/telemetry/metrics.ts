import { type Attributes, type Counter, type Histogram, metrics } from '@opentelemetry/api';

/*
 * Metrics by the OpenTelemetry API. Until a provider is there nothing is made and nothing counted,
 * so that a process without one pays for a comparison. Names begin with `espalier_`, units are base
 * units: seconds, bytes.
 */

/** What a gauge shows: one value, or one for each set of attributes. */
export type Reading = number | readonly { readonly value: number; readonly of: Attributes }[];

interface Gauge {
  readonly name: string;
  readonly description: string;
  readonly read: () => Reading;
}

const counters = new Map<string, Counter>();
const histograms = new Map<string, Histogram>();
const gauges = new Map<string, Gauge>();
let isOn = false;

/** From here on metrics are recorded: the provider of metrics is registered. */
export function turnOnMetrics(): void {
  isOn = true;
  for (const gauge of gauges.values()) attach(gauge);
}

/** Adds to a counter; its exposed name ends in `_total`. */
export function count(name: string, description: string, of: Attributes = {}, by = 1): void {
  if (!isOn) return;
  let counter = counters.get(name);
  if (!counter) {
    counter = metrics.getMeter('espalier').createCounter(`espalier_${name}`, { description });
    counters.set(name, counter);
  }
  counter.add(by, of);
}

const secondsBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600];

/** Records a duration; its exposed name ends in `_seconds`. */
export function observeSeconds(
  name: string,
  description: string,
  seconds: number,
  of: Attributes = {},
): void {
  if (!isOn) return;
  let histogram = histograms.get(name);
  if (!histogram) {
    histogram = metrics.getMeter('espalier').createHistogram(`espalier_${name}_seconds`, {
      description,
      advice: { explicitBucketBoundaries: secondsBuckets },
    });
    histograms.set(name, histogram);
  }
  histogram.record(seconds, of);
}

/** A value that is read when somebody looks. Given again, the newest reading counts. */
export function gauge(name: string, description: string, read: () => Reading): void {
  const isNew = !gauges.has(name);
  gauges.set(name, { name, description, read });
  if (isOn && isNew) attach({ name, description, read });
}

function attach({ name, description }: Gauge): void {
  const observable = metrics
    .getMeter('espalier')
    .createObservableGauge(`espalier_${name}`, { description });
  observable.addCallback((result) => {
    const reading = gauges.get(name)?.read() ?? 0;
    if (typeof reading === 'number') result.observe(reading);
    else for (const { value, of } of reading) result.observe(value, of);
  });
}
