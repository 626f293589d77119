import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { JobSpecSchema } from '#libs/contracts/index.js';
import type { JobEntry } from './jobs-view.js';
import { dueOf, nextOccurrences } from './schedule.js';

const ms = (text: string) => Date.parse(text);
const iso = (timeMs: number) => new Date(timeMs).toISOString();
const cron = (expression: string, timeZone = '') => ({
  trigger: { case: 'cron', value: { expression, timeZone } } as const,
});
const at = (time: string) => ({
  trigger: { case: 'at', value: { atMs: BigInt(ms(time)) } } as const,
});
const hourMs = 3_600_000;

function entry(
  spec: MessageInitShape<typeof JobSpecSchema>,
  more: Partial<JobEntry> = {},
): JobEntry {
  return {
    ...{ name: 'nightly', version: 1n, spec: create(JobSpecSchema, spec), paused: false },
    ...{ createdAtMs: 0, changedAtMs: ms('2026-11-20T00:00:00Z'), lastDueAtMs: 0 },
    ...{ lastRunId: '', lastStaging: '' },
    ...more,
  };
}

function next(spec: MessageInitShape<typeof JobSpecSchema>, after: string, count = 3) {
  const found = nextOccurrences(create(JobSpecSchema, spec), ms(after), count);
  return found.map(({ dueAtMs }) => iso(dueAtMs));
}

describe('the next runs of a job', () => {
  test('are those of all its triggers of time, in order', () => {
    const triggers = [cron('0 3 * * *'), at('2026-11-21T01:00:00Z')];
    expect(next({ triggers }, '2026-11-20T12:00:00Z')).toEqual([
      '2026-11-21T01:00:00.000Z',
      '2026-11-21T03:00:00.000Z',
      '2026-11-22T03:00:00.000Z',
    ]);
    expect(next({ triggers: [at('2026-11-21T01:00:00Z')] }, '2026-11-22T00:00:00Z')).toEqual([]);
  });

  test('in a blackout are made up for once, when it ends', () => {
    const blackouts = [{ cron: '30 1 * * *', durationMs: BigInt(2 * hourMs) }];
    const spec = { triggers: [cron('0 * * * *')], blackouts };
    expect(next(spec, '2026-11-20T00:30:00Z')).toEqual([
      '2026-11-20T01:00:00.000Z',
      '2026-11-20T03:30:00.000Z',
      '2026-11-20T04:00:00.000Z',
    ]);
    expect(next({ ...spec, skipInBlackout: true }, '2026-11-20T00:30:00Z', 2)).toEqual([
      '2026-11-20T01:00:00.000Z',
      '2026-11-20T04:00:00.000Z',
    ]);
  });

  test('do not come when every one of them is in a blackout', () => {
    const blackouts = [{ fromMs: 0n, untilMs: BigInt(ms('2999-01-01T00:00:00Z')) }];
    const spec = { triggers: [at('2026-11-21T01:00:00Z')], blackouts, skipInBlackout: true };
    expect(next(spec, '2026-11-20T00:00:00Z')).toEqual([]);
  });
});

describe('what is due', () => {
  const hourly = entry({ triggers: [cron('0 * * * *')] });
  const upTo = (time: string) => ({ ...hourly, lastDueAtMs: ms(time) });

  test('begins, and counts from then on', () => {
    expect(dueOf(upTo('2026-11-20T01:00:00Z'), ms('2026-11-20T01:59:59Z'))).toEqual({
      kind: 'wait',
      untilMs: ms('2026-11-20T02:00:00Z'),
    });
    expect(dueOf(upTo('2026-11-20T01:00:00Z'), ms('2026-11-20T02:00:00Z'))).toMatchObject({
      kind: 'start',
      occurrence: { dueAtMs: ms('2026-11-20T02:00:00Z'), trigger: 'cron 0 * * * * UTC' },
    });
  });

  test('is nothing when the clock is set back by an hour', () => {
    const due = dueOf(upTo('2026-11-20T02:00:00Z'), ms('2026-11-20T01:00:00Z'));
    expect(due).toEqual({ kind: 'wait', untilMs: ms('2026-11-20T03:00:00Z') });
  });

  test('is one run, the newest, when the clock is set forward by an hour', () => {
    const minutely = entry({ triggers: [cron('* * * * *')] });
    const before = { ...minutely, lastDueAtMs: ms('2026-11-20T01:00:00Z') };
    expect(dueOf(before, ms('2026-11-20T02:00:30Z'))).toMatchObject({
      kind: 'start',
      occurrence: { dueAtMs: ms('2026-11-20T02:00:00Z') },
    });
  });

  test('is left out, and that is recorded, when it is too late to begin', () => {
    const due = dueOf(upTo('2026-11-20T01:00:00Z'), ms('2026-11-20T05:30:00Z'));
    expect(due).toMatchObject({
      kind: 'skip',
      occurrence: { dueAtMs: ms('2026-11-20T02:00:00Z') },
      untilMs: ms('2026-11-20T05:20:00Z') - 1,
    });
    const patient = entry({ triggers: [cron('0 * * * *')], startWithinMs: BigInt(hourMs) });
    const late = { ...patient, lastDueAtMs: ms('2026-11-20T01:00:00Z') };
    expect(dueOf(late, ms('2026-11-20T05:30:00Z'))).toMatchObject({
      kind: 'start',
      occurrence: { dueAtMs: ms('2026-11-20T05:00:00Z') },
    });
  });

  test('is nothing while the job is paused, and what came meanwhile does not come again', () => {
    expect(dueOf({ ...hourly, paused: true }, ms('2026-11-20T09:00:00Z')).kind).toBe('never');
    const resumed = { ...hourly, changedAtMs: ms('2026-11-20T09:30:00Z') };
    expect(dueOf(resumed, ms('2026-11-20T09:30:01Z'))).toEqual({
      kind: 'wait',
      untilMs: ms('2026-11-20T10:00:00Z'),
    });
  });
});
