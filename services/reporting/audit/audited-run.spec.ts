import { describe, expect, it } from '@jest/globals';
import { event, JobType, NodeStatus, type RecordedEvent } from '#libs/contracts/index.js';
import { noEvents } from '#libs/event-log/event-log.js';
import { memoryLog } from '#libs/event-log/memory-log.js';
import { auditedRun } from './audited-run.js';
import { auditedState, auditedTree } from './audited-state.js';
import { eventsUpTo } from './place.js';

const log = memoryLog();
const cause = (id: string) => ({ actor: 'cli:ann', correlationId: 'r1', causationId: id });
const startMs = Date.UTC(2026, 0, 1);

async function story(): Promise<RecordedEvent[]> {
  const started = await log.append(
    { type: 'run', id: 'r1' },
    noEvents,
    [
      event('RunRequested', { runId: 'r1', site: 'www', type: JobType.PUBLISH }),
      event('RunStarted', { runId: 'r1', targets: [{ segment: 'paris', nodes: ['p1'] }] }),
    ],
    cause('command-1'),
    startMs,
  );
  const nodes = [{ node: 'p1', status: NodeStatus.SWITCHED }];
  const switched = await log.append(
    { type: 'run-in-segment', id: 'r1/paris' },
    noEvents,
    [event('SegmentSwitched', { runId: 'r1', segment: 'paris', nodes })],
    cause(started[1]?.id ?? ''),
    startMs + 250,
  );
  const moved = [1, 2].map((sequence) =>
    event('ShadowMoved', {
      site: 'www',
      sequence: BigInt(sequence),
      treeDigest: Uint8Array.of(sequence),
    }),
  );
  const shadow = await log.append(
    { type: 'shadow', id: 'www' },
    noEvents,
    moved,
    cause('x'),
    startMs,
  );
  return [...started, ...switched, ...shadow];
}

describe('an audited run', () => {
  it('is rebuilt from events, each with its cause, its actor and its time', async () => {
    const events = await story();
    const audited = auditedRun(events.slice(0, 3));
    expect(audited?.run).toMatchObject({
      run: { runId: 'r1', actor: 'cli:ann', nodesSwitched: 1 },
      nodes: [{ node: 'p1', status: 'switched' }],
    });
    expect(audited?.timeline).toMatchObject([
      { type: 'RunRequested', cause: 'command command-1', afterMs: 0 },
      { type: 'RunStarted', cause: 'command command-1' },
      { type: 'SegmentSwitched', cause: 'RunStarted (2)', afterMs: 250, actor: 'cli:ann' },
    ]);
  });

  it('is nothing without events', () => {
    expect(auditedRun([])).toBeUndefined();
  });
});

describe('an audited place of the log', () => {
  const at = (sequence: number) => ({
    $typeName: 'espalier.v1.LogPlace' as const,
    sequence: BigInt(sequence),
    timeMs: 0n,
  });

  it('has the runs as they were then', async () => {
    const early = await auditedState(eventsUpTo(log, at(2)));
    expect(early).toMatchObject({ sequence: 2n, runs: { runs: [{ nodesSwitched: 0 }] } });
    const later = await auditedState(eventsUpTo(log, at(3)));
    expect(later).toMatchObject({ sequence: 3n, runs: { runs: [{ nodesSwitched: 1 }] } });
  });

  it('has the tree that was live then', async () => {
    expect(await auditedTree('www', eventsUpTo(log, at(3)))).toMatchObject({ sequence: 0n });
    expect(await auditedTree('www', eventsUpTo(log, at(4)))).toMatchObject({
      sequence: 1n,
      treeDigest: '01',
    });
    expect(await auditedTree('www', eventsUpTo(log, undefined))).toMatchObject({ sequence: 2n });
  });
});
