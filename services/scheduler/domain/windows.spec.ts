import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { type TimeWindow, TimeWindowSchema } from '#libs/contracts/index.js';
import { nextCronMs, requireCron } from './cron.js';
import { InvalidSchedule } from './errors.js';
import { commonOpening, endOfWindows, requireWindow } from './windows.js';

const ms = (text: string) => Date.parse(text);
const iso = (time: number | undefined) =>
  time === undefined ? time : new Date(time).toISOString();
const hourMs = 3_600_000;

function nextRuns(expression: string, timeZone: string, from: string, count: number) {
  const times: (string | undefined)[] = [];
  let atMs = ms(from);
  for (let index = 0; index < count; index++) {
    atMs = nextCronMs(expression, timeZone, atMs) ?? Number.NaN;
    times.push(iso(atMs));
  }
  return times;
}

function window(cron: string, hours: number, timeZone = ''): TimeWindow {
  return create(TimeWindowSchema, { cron, durationMs: BigInt(hours * hourMs), timeZone });
}

describe('a cron schedule', () => {
  test('follows the clocks of its time zone', () => {
    expect(nextRuns('0 3 * * *', 'Europe/Paris', '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T02:00:00.000Z',
      '2026-10-26T02:00:00.000Z',
    ]);
    expect(nextRuns('0 3 * * *', '', '2026-10-24T12:00:00Z', 1)).toEqual([
      '2026-10-25T03:00:00.000Z',
    ]);
  });

  test('comes due after the gap when the clocks leave its time out', () => {
    expect(nextRuns('30 2 * * *', 'Europe/Paris', '2026-03-28T12:00:00Z', 2)).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
  });

  test('comes due once when its time comes twice', () => {
    expect(nextRuns('30 2 * * *', 'Europe/Paris', '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
  });

  test('that comes every half hour goes on through both changes of the clocks', () => {
    expect(nextRuns('*/30 * * * *', 'Europe/Paris', '2026-10-25T00:00:00Z', 4)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T01:30:00.000Z',
      '2026-10-25T02:00:00.000Z',
    ]);
    expect(nextRuns('*/30 * * * *', 'Europe/Paris', '2026-03-29T00:30:00Z', 2)).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-29T01:30:00.000Z',
    ]);
  });

  test.each([
    ['61 * * * *', ''],
    ['tomorrow', ''],
    ['0 3 * * *', 'Mars/Olympus'],
    ['0 0 30 2 *', ''],
  ])('%s in %s is refused', (expression, timeZone) => {
    expect(() => requireCron(expression, timeZone, 0)).toThrow(InvalidSchedule);
  });
});

describe('windows', () => {
  const nightly = window('0 22 * * *', 4);
  const saturday = window('0 0 * * 6', 24);

  test('end where the last of those that meet ends', () => {
    const at = ms('2026-11-20T23:00:00Z');
    expect(iso(endOfWindows([nightly], at))).toBe('2026-11-21T02:00:00.000Z');
    expect(iso(endOfWindows([nightly, saturday], at))).toBe('2026-11-22T02:00:00.000Z');
    expect(endOfWindows([nightly], ms('2026-11-20T12:00:00Z'))).toBeUndefined();
  });

  test('of several groups are open together', () => {
    const opening = commonOpening([[nightly], [saturday]], ms('2026-11-18T00:00:00Z'));
    expect(iso(opening?.fromMs)).toBe('2026-11-21T00:00:00.000Z');
    expect(iso(opening?.untilMs)).toBe('2026-11-21T02:00:00.000Z');
    expect(commonOpening([[], []], 5)?.fromMs).toBe(5);
  });

  test('that are over do not open again', () => {
    const once = create(TimeWindowSchema, { fromMs: 10n, untilMs: 20n });
    expect(commonOpening([[once]], 15)).toEqual({ fromMs: 15, untilMs: 20 });
    expect(commonOpening([[once]], 20)).toBeUndefined();
  });

  test('without a duration, or that end before they begin, are refused', () => {
    expect(() => requireWindow(window('0 22 * * *', 0))).toThrow(InvalidSchedule);
    const backwards = create(TimeWindowSchema, { fromMs: 20n, untilMs: 10n });
    expect(() => requireWindow(backwards)).toThrow(InvalidSchedule);
    expect(() => requireWindow(window('0 25 * * *', 1))).toThrow(InvalidSchedule);
  });
});
