import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { event, NextLeaderRequestSchema, type RecordedEvent } from '#libs/contracts/index.js';
import { defaultHandOutConfig as config } from '../config.js';
import { assignmentBuilt, assignmentId, runId } from '../domain/planner-fixture.js';
import { type PlannerHarness, prepared, startPlanner, WatchedClock } from './planner-harness.js';

let planner: PlannerHarness;

beforeEach(async () => {
  planner = await startPlanner();
});
afterEach(() => planner.close());

async function led(...segments: string[]) {
  for (const segment of segments) await planner.lead(segment);
}

function next(segment: string, commandId: string, leader = `${segment}-1`) {
  const request = create(NextLeaderRequestSchema, { assignmentId, segment, leader });
  return planner.handOut.next(request, { actor: `agent:${leader}`, commandId });
}

function sentTo(from = 0) {
  return planner.sent.slice(from).map(({ segment }) => segment);
}

describe('the hand-out', () => {
  test('the origin tells the first two leaders, and leaders name each other the rest', async () => {
    await led('a', 'b', 'c', 'd');
    await planner.distribute(['a', 'b', 'c', 'd']);
    expect(sentTo()).toEqual(['a', 'b']);
    await planner.receive('a');
    expect(await next('a', 'first')).toMatchObject({
      leader: 'c-1',
      httpUrl: 'http://c-1',
      next: { segment: 'c', source: 'a', sourceUrls: ['http://a-1', 'http://origin'] },
    });
    expect(await next('a', 'second')).toEqual({});
    expect((await next('b', 'third')).leader).toBe('d-1');
    for (const segment of ['b', 'c', 'd']) await planner.receive(segment);
    expect(await planner.story()).toEqual([
      'DistributionPlanned',
      'LeaderNotified a',
      'LeaderNotified b',
      'LeaderReceived a',
      'LeaderNotified c',
      'LeaderNotified d',
      'LeaderReceived b',
      'LeaderReceived c',
      'LeaderReceived d',
      'DistributionCompleted',
    ]);
    expect(sentTo()).toEqual(['a', 'b']);
  });

  test('a large assignment is told to all at once, with a source for each stripe', async () => {
    const all = ['a', 'b', 'c', 'd', 'e'];
    await led(...all);
    await planner.distribute(all, 4_000_000);
    expect(sentTo()).toEqual(all);
    for (const { segment, stripes } of planner.sent) {
      expect(stripes.length).toBeGreaterThan(1);
      for (const { sources } of stripes) {
        expect(sources.map(({ name }) => name)).not.toContain(segment);
        expect(sources.at(-1)).toMatchObject({ name: 'origin', url: 'http://origin' });
      }
    }
    const fromOrigin = planner.sent.flatMap(({ stripes }) =>
      stripes.filter(({ sources }) => sources[0]?.name === 'origin'),
    );
    expect(fromOrigin).toHaveLength(planner.sent[0]?.stripes.length ?? 0);
  });

  test('a tiny assignment is told to many at once by the origin', async () => {
    await planner.close();
    planner = await startPlanner(undefined, undefined, undefined, 64);
    const all = ['a', 'b', 'c', 'd', 'e'];
    await led(...all);
    await planner.distribute(all);
    expect(sentTo()).toEqual(all);
  });

  test('a leader that has served one is given the next by the planner', async () => {
    await led('a', 'b', 'c', 'd');
    await planner.distribute(['a', 'b', 'c', 'd']);
    await planner.receive('a');
    await next('a', 'first');
    await planner.receive('c', 'received-c', 'a');
    expect(planner.sent.slice(2)).toMatchObject([
      { segment: 'd', source: 'a', sourceUrls: ['http://a-1', 'http://origin'] },
    ]);
  });

  test('leaders that ask at once are given different leaders', async () => {
    await led('a', 'b', 'c', 'd');
    await planner.distribute(['a', 'b', 'c', 'd']);
    const replies = await Promise.all([next('a', 'one'), next('b', 'two')]);
    expect(replies.map(({ leader }) => leader).sort()).toEqual(['c-1', 'd-1']);
  });

  test('a stranger, a leader of before and a leader not told yet learn nothing', async () => {
    await led('a', 'b', 'c', 'd');
    await planner.distribute(['a', 'b', 'c', 'd']);
    expect(await next('elsewhere', 'one')).toEqual({});
    expect(await next('a', 'two', 'a-0')).toEqual({});
    expect(await next('d', 'three')).toEqual({});
  });

  test('a leader that another should have told is told by the origin after a while', async () => {
    await led('a', 'b', 'c');
    await planner.distribute(['a', 'b', 'c']);
    await planner.receive('a');
    await next('a', 'first');
    await planner.advance(config.handOutTimeoutMs - 1);
    expect(sentTo()).toEqual(['a', 'b']);
    await planner.advance(1);
    expect(sentTo()).toEqual(['a', 'b', 'c']);
    expect(planner.sent[2]?.sourceUrls).toEqual(['http://origin', 'http://a-1']);
  });

  test('a leader that does not answer fails after some attempts; others go on', async () => {
    await led('a', 'b', 'c');
    planner.deaf.add('a-1');
    await planner.distribute(['a', 'b', 'c']);
    await planner.receive('b');
    await planner.advance(60_000);
    for (let second = 0; second < 60; second++) await planner.advance(1_000);
    expect(sentTo().filter((segment) => segment === 'a')).toHaveLength(config.maxAttempts);
    await planner.receive('c');
    const story = await planner.story();
    expect(story).toContain('LeaderFailed a');
    expect(story.at(-1)).toBe('DistributionCompleted');
  });

  test('leaders that take a notification and never report keep nobody waiting', async () => {
    await led('a', 'b', 'c');
    await planner.distribute(['a', 'b', 'c']);
    for (let ms = 0; ms <= config.hungMs; ms += 5_000) await planner.advance(5_000);
    expect(sentTo()).toContain('c');
    await planner.receive('c');
    expect(await planner.story()).toContain('LeaderReceived c');
  });

  test('leaders of a whole region that are gone fail by name, and the others go on', async () => {
    await led('a', 'b', 'c', 'd');
    for (const leader of ['a-1', 'b-1']) planner.deaf.add(leader);
    await planner.distribute(['a', 'b', 'c', 'd']);
    for (let second = 0; second < 120; second++) await planner.advance(1_000);
    for (const segment of ['c', 'd']) await planner.receive(segment);
    const story = await planner.story();
    expect(story).toEqual(expect.arrayContaining(['LeaderFailed a', 'LeaderFailed b']));
    expect(story.at(-1)).toBe('DistributionCompleted');
  });

  test('a failed leader that reports again is told again', async () => {
    await led('a');
    planner.deaf.add('a-1');
    await planner.distribute(['a']);
    for (let second = 0; second < 60; second++) await planner.advance(1_000);
    planner.deaf.clear();
    await planner.lead('a');
    await planner.receive('a');
    expect((await planner.story()).slice(-4)).toEqual([
      'LeaderFailed a',
      'DistributionCompleted',
      'LeaderNotified a',
      'LeaderReceived a',
    ]);
  });

  test('a leader that appears again is told again, until it has reported', async () => {
    await led('a');
    await planner.distribute(['a']);
    await planner.receive('a');
    await planner.lead('a');
    expect(sentTo()).toEqual(['a', 'a']);
    await planner.append(`${runId}/a`, prepared('a'));
    await planner.lead('a');
    expect(sentTo()).toEqual(['a', 'a']);
  });

  test('a segment whose turn has not come is not told because it appears', async () => {
    await led('a', 'b', 'c');
    await planner.distribute(['a', 'b', 'c']);
    await planner.lead('c');
    expect(sentTo()).toEqual(['a', 'b']);
  });

  test('a segment without a leader is told when it gets one', async () => {
    await led('a');
    await planner.distribute(['a', 'b']);
    await planner.receive('a');
    await planner.advance(config.handOutTimeoutMs);
    await planner.lead('b');
    expect(sentTo()).toEqual(['a', 'b']);
  });

  test('a planner that starts again tells all leaders whose outcome is not known', async () => {
    const keys = new Map();
    const clock = new WatchedClock(1_000_000);
    await planner.close();
    planner = await startPlanner(undefined, clock, keys);
    await led('a', 'b');
    await planner.distribute(['a', 'b']);
    await planner.receive('a');
    await planner.append(`${runId}/b`, prepared('b'));
    const { log } = planner;
    await planner.close();
    clock.advance(1);
    planner = await startPlanner(log, clock, keys);
    planner.handOut.wake();
    await planner.settle();
    expect(sentTo()).toEqual(['a']);
    expect(await planner.story()).toHaveLength(4);
  });

  test('planning again changes nothing', async () => {
    await led('a');
    await planner.distribute(['a']);
    const [built] = await planner.log.read({ type: 'assignment', id: 'www' });
    await planner.handOut.plan(built as RecordedEvent<'AssignmentBuilt'>);
    expect(await planner.story()).toEqual(['DistributionPlanned', 'LeaderNotified a']);
  });

  test('an assignment whose run is over is not planned', async () => {
    await led('a');
    const built = await planner.append('www', assignmentBuilt(['a']));
    await planner.handOut.plan(built as RecordedEvent<'AssignmentBuilt'>);
    expect(await planner.story()).toEqual([]);
  });

  test('nothing is sent any more and no timer runs when the run is over', async () => {
    await led('a', 'b');
    await planner.distribute(['a', 'b']);
    await planner.append(runId, event('RunFailed', { runId, site: 'www' }));
    await planner.advance(10 * config.reminderMs);
    expect(sentTo()).toEqual(['a', 'b']);
    expect(planner.clock.timerCount).toBe(0);
  });
});
