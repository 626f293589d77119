import { describe, expect, test } from '@jest/globals';
import { JobType } from '#libs/contracts/index.js';
import { notificationFor } from './notification.js';
import {
  assignmentBuilt,
  notified,
  planned,
  runStarted,
  segmentLed,
  type TimedEvent,
  viewAfter,
} from './planner-fixture.js';
import type { PlannerView } from './planner-view.js';

function viewWith(...told: TimedEvent[]): PlannerView {
  return viewAfter(
    [0, segmentLed('paris')],
    [0, segmentLed('rome')],
    [0, runStarted()],
    [0, assignmentBuilt(['paris', 'rome'])],
    [0, planned(['paris', 'rome'])],
    ...told,
  );
}

function notification(view: PlannerView, source: string) {
  const delivery = view.deliveries.get('a');
  if (!delivery) throw new Error('there is no delivery');
  return notificationFor(delivery, 'rome', source, view, new Map([['', 'http://origin']]));
}

describe('a notification', () => {
  test('says what to pull, for whom, and belongs to the trace of the assignment', () => {
    expect(notification(viewWith(), 'origin')).toMatchObject({
      assignmentId: 'a',
      runId: 'r',
      site: 'www',
      sequence: 3n,
      type: JobType.PUBLISH,
      containerDigest: new Uint8Array([1, 2]),
      containerBytes: 1_000n,
      segment: 'rome',
      nodes: ['rome-1'],
      source: 'origin',
      sourceUrls: ['http://origin'],
      traceparent: '00-trace',
    });
  });

  test('says with how many members a multicast session may end, by the quorum of the run', () => {
    const view = viewAfter(
      [0, segmentLed('rome')],
      [0, runStarted({ quorum: { case: 'percent', value: 50 } })],
      [0, assignmentBuilt(['rome'])],
      [0, planned(['rome'])],
    );
    expect(notification(view, 'origin').sessionQuorum).toBe(1);
    expect(notification(viewWith(), 'origin').sessionQuorum).toBe(0);
  });

  test('names the leader that hands on first, and the origin in case it is lost', () => {
    expect(notification(viewWith(), 'paris').sourceUrls).toEqual([
      'http://paris-1',
      'http://origin',
    ]);
  });

  test('keeps the leader it was to pull from as a second source when the origin tells it', () => {
    const view = viewWith([1, notified('rome', 'paris')]);
    expect(notification(view, 'origin').sourceUrls).toEqual(['http://origin', 'http://paris-1']);
  });
});
