import { beforeEach, describe, expect, test } from '@jest/globals';
import { type DomainEvent, event, type RecordedEvent } from '#libs/contracts/index.js';
import { type EventLog, type LogFilter, noEvents } from '#libs/event-log/event-log.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { archivable } from './archive-runs.js';
import { KnownRuns } from './known-runs.js';

const dayMs = 24 * 60 * 60_000;
let log: ReturnType<typeof memoryLog>;
let known: KnownRuns;
/** Events that passes have read so far. */
let read: number;

beforeEach(() => {
  log = memoryLog();
  known = new KnownRuns();
  read = 0;
});

async function run(runId: string, atMs: number, trigger: string, isClosed = true): Promise<void> {
  const requested = event('RunRequested', { runId, site: 'www', terms: { trigger } });
  const closed = event('RunClosed', { runId, status: 'completed' });
  const events: DomainEvent[] = isClosed ? [requested, closed] : [requested];
  const context = { actor: 'test', correlationId: runId, causationId: runId };
  await log.append({ type: 'run', id: runId }, noEvents, events, context, atMs);
}

async function* counted(events: AsyncIterable<RecordedEvent>) {
  for await (const recorded of events) {
    read += 1;
    yield recorded;
  }
}

/** One pass, without taking anything away. */
async function chosen(closedBeforeMs: number, nowMs: number): Promise<readonly string[]> {
  const replay = (filter: LogFilter) => counted(log.replay(filter));
  const lastSequence = () => log.lastSequence();
  return (await archivable({ replay, lastSequence }, known, closedBeforeMs, nowMs)).runs;
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
    expect(await chosen(5, 20)).toEqual([]);
    expect(read).toBe(200);
  });

  test('are found behind events that were recorded by a clock that was ahead', async () => {
    await run('ahead', 10, 'now');
    await run('old', 2, 'now');
    expect(await chosen(5, 20)).toEqual(['old']);
  });

  test('cost a pass what came since the last one, and what goes', async () => {
    for (let number = 0; number < 500; number++) await run(`open-${number}`, 1, 'now', false);
    await run('old', 2, 'now');
    await run('young', 10, 'now');
    expect(await chosen(5, 20)).toEqual(['old']);
    expect(read).toBe(504 + 2);
    known.forget(['old']);
    await run('new', 10, 'now');
    read = 0;
    expect(await chosen(5, 20)).toEqual([]);
    expect(read).toBe(2);
    expect(await chosen(11, 20)).toEqual(['young', 'new']);
    expect(read).toBe(2 + 4);
  });

  test('are still chosen after a pass that came to nothing', async () => {
    await run('old', 2, 'now');
    expect(await chosen(5, 20)).toEqual(['old']);
    expect(await chosen(5, 20)).toEqual(['old']);
  });

  test('stay when something happens to them between two passes', async () => {
    await run('late', 1, 'now');
    expect(await chosen(1, 20)).toEqual([]);
    const context = { actor: 'test', correlationId: 'late', causationId: 'late report' };
    const report = event('SegmentSwitched', { runId: 'late', segment: 'paris' });
    await log.append({ type: 'run-in-segment', id: 'late/paris' }, noEvents, [report], context, 9);
    expect(await chosen(5, 20)).toEqual([]);
    expect(await chosen(10, 20)).toEqual(['late']);
  });

  test('that another replica has moved already are forgotten', async () => {
    await run('moved', 1, 'now');
    await run('old', 2, 'now');
    expect(await chosen(1, 20)).toEqual([]);
    const before = log;
    const isLeft = ({ aggregate }: RecordedEvent) => aggregate.id !== 'moved';
    log = { ...before, lastSequence: () => before.lastSequence(), replay: only(before, isLeft) };
    expect(await chosen(5, 20)).toEqual(['old']);
    expect(await chosen(5, 20)).toEqual(['old']);
    expect(known.due(5, 20, 10).runs).toEqual(new Map([['old', 2]]));
  });

  test('are known anew where the log is shorter than it was', async () => {
    for (const name of ['a', 'b', 'c']) await run(name, 1, 'now');
    expect(await chosen(1, 20)).toEqual([]);
    log = memoryLog();
    await run('restored', 1, 'now');
    expect(await chosen(5, 20)).toEqual(['restored']);
  });
});

function only(log: EventLog, isLeft: (event: RecordedEvent) => boolean): EventLog['replay'] {
  return async function* (filter) {
    for await (const recorded of log.replay(filter)) if (isLeft(recorded)) yield recorded;
  };
}
