import { beforeEach, describe, expect, test } from '@jest/globals';
import { type DomainEvent, event } from '#libs/contracts/index.js';
import { noEvents } from '#libs/event-log/event-log.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { archivable } from './archive-runs.js';

const dayMs = 24 * 60 * 60_000;
let log: ReturnType<typeof memoryLog>;

beforeEach(() => {
  log = memoryLog();
});

async function run(runId: string, atMs: number, trigger: string, isClosed = true): Promise<void> {
  const requested = event('RunRequested', { runId, site: 'www', terms: { trigger } });
  const closed = event('RunClosed', { runId, status: 'completed' });
  const events: DomainEvent[] = isClosed ? [requested, closed] : [requested];
  const context = { actor: 'test', correlationId: runId, causationId: runId };
  await log.append({ type: 'run', id: runId }, noEvents, events, context, atMs);
}

async function chosen(closedBeforeMs: number, nowMs: number): Promise<readonly string[]> {
  return (await archivable(log.replay({ afterSequence: 0 }), closedBeforeMs, nowMs)).runs;
}

describe('runs to archive', () => {
  test('are closed, and long enough', async () => {
    await run('open', 1, 'now', false);
    await run('old', 2, 'now');
    await run('young', 10, 'now');
    expect(await chosen(5, 20)).toEqual(['old']);
  });

  test('that an event from outside began stay a week, so that a repetition is known', async () => {
    await run('heard', 1, 'event build.done 17');
    await run('timed', 1, 'cron 0 3 * * * UTC');
    expect(await chosen(7 * dayMs, 7 * dayMs)).toEqual(['timed']);
    expect(await chosen(7 * dayMs, 7 * dayMs + 1)).toEqual(['heard', 'timed']);
  });

  test('stay while something happens to them, also when it is told out of time', async () => {
    await run('late', 1, 'now');
    const report = event('SegmentSwitched', { runId: 'late', segment: 'paris' });
    const context = { actor: 'test', correlationId: 'late', causationId: 'late report' };
    const aggregate = { type: 'run-in-segment', id: 'late/paris' } as const;
    await log.append(aggregate, noEvents, [report], context, 9);
    expect(await chosen(5, 20)).toEqual([]);
    expect(await chosen(10, 20)).toEqual(['late']);
  });

  test('are not looked for in a log that is young as a whole', async () => {
    for (let number = 0; number < 1_000; number++) await run(`young-${number}`, 10, 'now');
    let read = 0;
    async function* counted() {
      for await (const recorded of log.replay({ afterSequence: 0 })) {
        read += 1;
        yield recorded;
      }
    }
    expect((await archivable(counted(), 5, 20)).runs).toEqual([]);
    expect(read).toBe(200);
  });

  test('are found behind events that were recorded by a clock that was ahead', async () => {
    await run('ahead', 10, 'now');
    await run('old', 2, 'now');
    expect(await chosen(5, 20)).toEqual(['old']);
  });
});
