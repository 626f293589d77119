import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { event, PlannedLeaderSchema } from '#libs/contracts/index.js';
import {
  type DistributionCommand,
  type DistributionEvent,
  distributionAggregate,
} from './distribution.js';
import { NotInPlan, NotPlanned } from './errors.js';

const ids = { assignmentId: 'a', runId: 'r' };
const leaders = ['paris', 'rome', 'oslo'].map((segment) =>
  create(PlannedLeaderSchema, { segment, leader: `${segment}-1`, nodes: [`${segment}-1`] }),
);
const planned = event('DistributionPlanned', { ...ids, leaders, originFanOut: 2 });
const completed = event('DistributionCompleted', ids);

function notified(segment: string, source = 'origin', leader = `${segment}-1`) {
  return event('LeaderNotified', { ...ids, segment, leader, source });
}
function failed(segment: string) {
  return event('LeaderFailed', { ...ids, segment, leader: `${segment}-1`, reason: 'silent' });
}
function reception(segment: string, leader = `${segment}-1`) {
  const source = 'origin';
  return {
    assignmentId: 'a',
    segment,
    leader,
    bytes: 9n,
    durationMs: 1n,
    source,
    retries: 0,
    links: [],
  };
}
function received(segment: string) {
  return event('LeaderReceived', { ...ids, ...reception(segment) });
}

function decide(events: DistributionEvent[], command: DistributionCommand) {
  const { evolve, initial } = distributionAggregate;
  return distributionAggregate.decide(command, events.reduce(evolve, initial));
}

const plan: DistributionCommand = { type: 'plan', ...ids, leaders, originFanOut: 2 };
const segments = new Map(['paris', 'rome', 'oslo'].map((s) => [s, { leader: `${s}-1` }]));

function notify(segment: string, leader = `${segment}-1`): DistributionCommand {
  return { type: 'notify', tellings: [{ segment, leader }], source: 'origin' };
}
function handOn(asker: string): DistributionCommand {
  return { type: 'hand-on', asker, segments };
}
function receive(segment: string, leader?: string): DistributionCommand {
  return { type: 'receive', received: [reception(segment, leader)] };
}
function fail(segment: string, leader = `${segment}-1`): DistributionCommand {
  return { type: 'fail', segment, leader, reason: 'silent' };
}

describe('a distribution', () => {
  test('is planned once', () => {
    expect(decide([], plan)).toEqual([planned]);
    expect(decide([planned, notified('paris')], plan)).toEqual([]);
  });

  test('to nobody is complete at once', () => {
    const nobody = event('DistributionPlanned', { ...ids, leaders: [], originFanOut: 2 });
    expect(decide([], { ...plan, leaders: [] } as DistributionCommand)).toEqual([
      nobody,
      completed,
    ]);
  });

  test('tells a leader once', () => {
    expect(decide([planned], notify('paris'))).toEqual([notified('paris')]);
    expect(decide([planned, notified('paris', 'rome')], notify('paris'))).toEqual([]);
    expect(decide([planned, received('paris')], notify('paris'))).toEqual([]);
  });

  test('tells the leader that took over, even when the one before it had received', () => {
    const told = notified('paris', 'origin', 'paris-2');
    expect(decide([planned, notified('paris')], notify('paris', 'paris-2'))).toEqual([told]);
    expect(decide([planned, received('paris')], notify('paris', 'paris-2'))).toEqual([told]);
  });

  test('tells a leader that failed again', () => {
    expect(decide([planned, failed('paris')], notify('paris'))).toEqual([notified('paris')]);
  });

  test('names to a leader the first in order that nobody told', () => {
    const history = [planned, notified('paris'), received('paris')];
    expect(decide(history, handOn('paris'))).toEqual([notified('rome', 'paris')]);
    const later = [...history, notified('rome', 'paris')];
    expect(decide(later, handOn('paris'))).toEqual([]);
    const served = [...later, received('rome')];
    expect(decide(served, handOn('paris'))).toEqual([notified('oslo', 'paris')]);
    expect(decide([...served, notified('oslo', 'rome')], handOn('paris'))).toEqual([]);
  });

  test('names nobody to a leader that was never told itself', () => {
    expect(decide([planned], handOn('paris'))).toEqual([]);
  });

  test('passes over segments that have no leader now', () => {
    const present = new Map([['oslo', { leader: 'oslo-7' }]]);
    const command = { type: 'hand-on', asker: 'paris', segments: present } as const;
    expect(decide([planned, received('paris')], command)).toEqual([
      notified('oslo', 'paris', 'oslo-7'),
    ]);
  });

  test('records a reception once for a leader', () => {
    expect(decide([planned, notified('paris')], receive('paris'))).toEqual([received('paris')]);
    expect(decide([planned, received('paris')], receive('paris'))).toEqual([]);
    expect(decide([planned, received('paris')], receive('paris', 'paris-2'))).toHaveLength(1);
  });

  test('records a failure only of the leader that was told and has not received', () => {
    expect(decide([planned, notified('paris')], fail('paris'))).toEqual([failed('paris')]);
    expect(decide([planned, notified('paris')], fail('paris', 'paris-2'))).toEqual([]);
    expect(decide([planned, received('paris')], fail('paris'))).toEqual([]);
    expect(decide([planned, failed('paris')], fail('paris'))).toEqual([]);
  });

  test('is complete with the last leader that received or failed, and only once', () => {
    const history = [planned, received('paris'), failed('rome'), notified('oslo')];
    expect(decide(history, receive('oslo'))).toEqual([received('oslo'), completed]);
    expect(decide(history, fail('oslo'))).toEqual([failed('oslo'), completed]);
    const after = [...history, failed('oslo'), completed, notified('rome')];
    expect(decide(after, receive('rome'))).toEqual([received('rome')]);
  });

  test('concerns the segments of its plan only', () => {
    expect(() => decide([planned], receive('atlantis'))).toThrow(NotInPlan);
    expect(() => decide([], receive('paris'))).toThrow(NotPlanned);
  });
});
