import { afterEach, describe, expect, test } from '@jest/globals';
import { silentLogger } from '#libs/telemetry/logger.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { ArchiveSchedule, dayMs } from './archive-schedule.js';

const hourMs = 60 * 60_000;
let schedule: ArchiveSchedule;
afterEach(() => schedule.close());

/** A schedule, and the ages that it was asked to archive. */
function started(afterDays: number) {
  const clock = new VirtualClock();
  const found = { ages: [] as number[], mayArchive: true, isAway: false };
  schedule = new ArchiveSchedule({
    ...{ afterDays, clock, logger: silentLogger },
    mayArchive: () => found.mayArchive,
    archive: async (olderThanMs) => {
      found.ages.push(olderThanMs);
      if (found.isAway) throw new Error('the second copy is behind');
      return 1;
    },
  });
  const pass = async (durationMs: number) => {
    clock.advance(durationMs);
    for (let round = 0; round < 10; round++) await Promise.resolve();
  };
  return { found, pass };
}

describe('the archive by the clock', () => {
  test('takes runs that are old enough, a minute after the start and then every hour', async () => {
    const { found, pass } = started(90);
    await pass(60_000);
    expect(found.ages).toEqual([90 * dayMs]);
    await pass(hourMs);
    await pass(hourMs);
    expect(found.ages).toHaveLength(3);
  });

  test('is for one replica, and not for a log that is damaged', async () => {
    const { found, pass } = started(1);
    found.mayArchive = false;
    await pass(60_000);
    await pass(hourMs);
    expect(found.ages).toEqual([]);
    found.mayArchive = true;
    await pass(hourMs);
    expect(found.ages).toEqual([dayMs]);
  });

  test('goes on after a pass that failed, and ends when it is closed', async () => {
    const { found, pass } = started(1);
    found.isAway = true;
    await pass(60_000);
    await pass(hourMs);
    expect(found.ages).toHaveLength(2);
    schedule.close();
    await pass(hourMs);
    expect(found.ages).toHaveLength(2);
  });

  test('is off where nothing says how old', async () => {
    const { found, pass } = started(0);
    await pass(2 * hourMs);
    expect(found.ages).toEqual([]);
  });
});
