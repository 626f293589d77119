import { describe, expect, test } from '@jest/globals';
import { type AgentEffect, judge, type SeenEvent } from './verdict.js';

function event(sequence: number, type: string, aggregate: string, version: number): SeenEvent {
  return {
    sequence,
    id: `e${sequence}`,
    type,
    aggregate,
    version,
    runId: 'r1',
    data: { runId: 'r1' },
  };
}
const log = [
  event(1, 'RunRequested', 'run.r1', 1),
  event(2, 'RunStarted', 'run.r1', 2),
  event(3, 'CommitIssued', 'outcome.r1', 1),
  event(4, 'RunCompleted', 'outcome.r1', 2),
];
const all = new Map(log.map(({ sequence, id }) => [sequence, id]));
const prepared: AgentEffect = {
  node: 'n1',
  runId: 'r1',
  site: 'www',
  assignmentId: 'www-1',
  kind: 'prepare',
  sequence: 1,
};

describe('the verdict on a storm', () => {
  test('finds nothing where all went well', () => {
    const switched = { ...prepared, assignmentId: 'www-2', kind: 'switch' as const };
    expect(judge(log, all, [prepared, switched], ['r1'])).toEqual({
      lostEvents: 0,
      doubleEffects: 0,
      finalStates: { completed: 1 },
      reasons: {},
      findings: [],
    });
  });

  test.each([
    ['an event that is gone', log.slice(0, 3)],
    ['another event in its place', [...log.slice(0, 3), { ...log[3], id: 'other' } as SeenEvent]],
    ['a hole in an aggregate', [...log.slice(0, 3), event(4, 'RunCompleted', 'outcome.r1', 3)]],
  ])('finds %s', (_what, found) => {
    expect(judge(found, all, [], ['r1']).lostEvents).toBeGreaterThan(0);
  });

  test.each([
    ['a second commit', [...log, event(5, 'CommitIssued', 'outcome.r1', 3)], []],
    ['a second end', [...log, event(5, 'RunFailed', 'outcome.r1', 3)], []],
    ['one event stored twice', [...log, { ...event(5, 'RunClosed', 'run.r1', 3), id: 'e1' }], []],
    ['a version prepared twice on a server', log, [prepared, { ...prepared, assignmentId: 'x' }]],
  ])('finds %s', (_what, found, effects) => {
    expect(judge(found, all, effects, ['r1']).doubleEffects).toBeGreaterThan(0);
  });

  test('tells why runs did not end well, alike ones together', () => {
    const failures = [1, 2].map((number) => {
      const failed = event(number, 'RunFailed', `outcome.r${number}`, 1);
      return { ...failed, data: { reason: `site-${number} was silent for 20 s` } };
    });
    const { reasons } = judge(failures, new Map(), [], []);
    expect(reasons).toEqual({ 'failed: site-# was silent for # s': 2 });
  });

  test('counts a run without an end as open', () => {
    expect(judge(log.slice(0, 3), new Map(), [], ['r1', 'r2']).finalStates).toEqual({ open: 2 });
  });
});
