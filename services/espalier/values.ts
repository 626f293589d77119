import { InvalidArgumentError } from 'commander';

const durations: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const sizes: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** `500ms`, `30s`, `10m`, `1h30m`, `2d`: milliseconds. @throws InvalidArgumentError */
export function duration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) {
    throw new InvalidArgumentError('give a duration, e.g. 30s, 10m or 1h30m');
  }
  return Math.round(
    parts.reduce((sum, [, count, unit]) => sum + Number(count) * (durations[unit ?? ''] ?? 0), 0),
  );
}

/** `100`, `512MiB`, `2GiB`: bytes. @throws InvalidArgumentError */
export function size(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(|B|KiB|MiB|GiB|TiB)$/.exec(text);
  if (!match) throw new InvalidArgumentError('give a size, e.g. 512MiB or 2GiB');
  return Math.round(Number(match[1]) * (sizes[match[2] ?? ''] ?? 1));
}

/** A time as ISO 8601: milliseconds since the epoch. @throws InvalidArgumentError */
export function time(text: string): number {
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs)) throw new InvalidArgumentError('give a time, e.g. 2030-01-31T12:00:00Z');
  return atMs;
}
