/** Thrown for a limit that cannot be read. */
export class BadLinkLimit extends Error {
  override readonly name = 'BadLinkLimit';
}

interface Window {
  readonly fromMinute: number;
  readonly toMinute: number;
  readonly bytesPerS: number | undefined;
}

/** A link's limit by the time of day. */
export interface LinkLimits {
  readonly otherwise: number | undefined;
  readonly windows: readonly Window[];
}

export const unlimited: LinkLimits = { otherwise: undefined, windows: [] };

/**
 * Reads `50mbit`, or `50mbit,08:00-18:00=5mbit,22:00-06:00=none`: of windows that hold at a time
 * the first counts, without one the rate alone. Rates are bits/s: kbit, mbit, gbit.
 * @throws BadLinkLimit
 */
export function linkLimitsIn(text: string): LinkLimits {
  let otherwise: number | undefined;
  const windows: Window[] = [];
  for (const part of text.split(',').map((each) => each.trim())) {
    const window = /^(\d\d):(\d\d)-(\d\d):(\d\d)=(\S+)$/.exec(part);
    if (!window) {
      otherwise = rateIn(part);
      continue;
    }
    const [fromHour, fromMin, toHour, toMin] = window.slice(1, 5).map(Number) as number[];
    const fromMinute = minuteOf(fromHour, fromMin, part);
    const toMinute = minuteOf(toHour, toMin, part);
    windows.push({ fromMinute, toMinute, bytesPerS: rateIn(window[5] ?? '') });
  }
  return { otherwise, windows };
}

/** Bytes/s at a minute of the day (0 to 1439); `undefined`: no limit. */
export function limitAt({ otherwise, windows }: LinkLimits, minute: number): number | undefined {
  const window = windows.find(({ fromMinute, toMinute }) =>
    fromMinute <= toMinute
      ? minute >= fromMinute && minute < toMinute
      : minute >= fromMinute || minute < toMinute,
  );
  return window ? window.bytesPerS : otherwise;
}

/** By this host's clock and time zone. */
export function minuteOfDay(nowMs: number): number {
  const time = new Date(nowMs);
  return time.getHours() * 60 + time.getMinutes();
}

const bitsIn: Readonly<Record<string, number>> = { kbit: 1e3, mbit: 1e6, gbit: 1e9 };

function rateIn(text: string): number | undefined {
  if (text === 'none') return undefined;
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(kbit|mbit|gbit)$/.exec(text) ?? [];
  const bytesPerS = (Number(number) * (bitsIn[unit] ?? 0)) / 8;
  if (bytesPerS > 0) return bytesPerS;
  throw new BadLinkLimit(`${text} is no rate: give e.g. 50mbit, or none`);
}

function minuteOf(hour = 0, minute = 0, part = ''): number {
  if (hour > 24 || minute > 59) throw new BadLinkLimit(`${part}: there is no such time of day`);
  return hour * 60 + minute;
}
