import { describe, expect, test } from '@jest/globals';
import { type DomainEvent, event, JobType } from '#libs/contracts/index.js';
import { defaultHandOutConfig as config } from '../config.js';
import {
  assignmentBuilt,
  assignmentId,
  failed,
  notified,
  planned,
  received,
  runId,
  runStarted,
  segmentLed,
  type TimedEvent,
  viewAfter,
} from './planner-fixture.js';
import { type Contact, contactKey, whoToNotify } from './who-to-notify.js';

const segments = ['paris', 'rome', 'oslo'];
const built: TimedEvent[] = [
  ...segments.map((segment): TimedEvent => [0, segmentLed(segment)]),
  [0, runStarted()],
  [0, assignmentBuilt(segments)],
  [0, planned(segments)],
];

interface Question {
  readonly after: readonly TimedEvent[];
  readonly contacts?: Readonly<Record<string, Partial<Contact>>>;
  readonly startedAtMs?: number;
  readonly nowMs: number;
}

/** Who is told, who is given up and when to ask again. */
function ask({ after, contacts = {}, startedAtMs = 0, nowMs }: Question) {
  const known = Object.entries(contacts).map(([segment, contact]): [string, Contact] => [
    contactKey(assignmentId, segment),
    { leader: `${segment}-1`, standing: 'answered', unanswered: 0, lastAtMs: 0, ...contact },
  ]);
  const view = viewAfter(...built, ...after);
  const toDo = whoToNotify(view, new Map(known), startedAtMs, config, nowMs);
  return {
    notify: toDo.notify.map(({ leader }) => leader),
    giveUp: toDo.giveUp.map(({ leader }) => leader),
    nextAtMs: toDo.nextAtMs,
  };
}

const nothing = { notify: [], giveUp: [], nextAtMs: undefined };

/** Paris and Rome were told by the origin and answered. */
const twoTold: TimedEvent[] = [
  [100, notified('paris')],
  [100, notified('rome')],
];
const answered = { paris: { lastAtMs: 100 }, rome: { lastAtMs: 100 } };
const reminded = 100 + config.reminderMs;

describe('whom the origin tells', () => {
  test('the first leaders of a new plan', () => {
    expect(ask({ after: [], nowMs: 0 })).toEqual({ ...nothing, notify: ['paris-1', 'rome-1'] });
  });

  test('nobody while leaders work, but each again after a long time', () => {
    const question = { after: twoTold, contacts: answered };
    expect(ask({ ...question, nowMs: 200 })).toEqual({ ...nothing, nextAtMs: reminded });
    expect(ask({ ...question, nowMs: reminded }).notify).toEqual(['paris-1', 'rome-1']);
  });

  test('nobody whose notification is on its way', () => {
    const asking = { standing: 'asking' } as const;
    expect(
      ask({ after: twoTold, contacts: { paris: asking, rome: asking }, nowMs: 99_999 }),
    ).toMatchObject({ notify: [], giveUp: [] });
  });

  test('one that did not answer, with growing delays, until it has failed', () => {
    const silent = (unanswered: number) => ({
      after: twoTold,
      contacts: { ...answered, rome: { standing: 'silent', unanswered, lastAtMs: 200 } as const },
    });
    expect(ask({ ...silent(1), nowMs: 200 }).nextAtMs).toBe(200 + config.retryMs);
    expect(ask({ ...silent(1), nowMs: 200 + config.retryMs }).notify).toEqual(['rome-1']);
    expect(ask({ ...silent(3), nowMs: 200 }).nextAtMs).toBe(200 + 4 * config.retryMs);
    expect(ask({ ...silent(config.maxAttempts), nowMs: 200 }).giveUp).toEqual(['rome-1']);
  });

  test('one that was given up only when it appears again or another leads', () => {
    const gone: TimedEvent[] = [...twoTold, [200, failed('rome')], [200, received('paris')]];
    const oslo: TimedEvent = [200, notified('oslo', 'paris')];
    const question = (standing: 'given-up' | 'due', after: TimedEvent[]) =>
      ask({
        after,
        contacts: { ...answered, rome: { standing }, oslo: { lastAtMs: 200 } },
        nowMs: 300,
      });
    expect(question('given-up', [...gone, oslo]).notify).toEqual([]);
    expect(question('due', [...gone, oslo]).notify).toEqual(['rome-1']);
    const another = segmentLed('rome', { leader: 'rome-2', term: 2n });
    expect(question('given-up', [...gone, oslo, [250, another]]).notify).toEqual(['rome-2']);
  });

  test('the leader that took over a segment, even one that had received', () => {
    const another = segmentLed('paris', { leader: 'paris-2', term: 2n });
    const question = { contacts: answered, nowMs: 400 };
    expect(ask({ ...question, after: [...twoTold, [300, another]] }).notify).toEqual(['paris-2']);
    const after: TimedEvent[] = [...twoTold, [200, received('paris')], [300, another]];
    expect(ask({ ...question, after }).notify).toEqual(['paris-2']);
  });

  test('after a restart, all whose outcome is unknown: told, received and failed', () => {
    const after: TimedEvent[] = [
      [100, notified('paris')],
      [150, received('rome')],
      [160, failed('oslo')],
    ];
    expect(ask({ after, startedAtMs: 1_000, nowMs: 1_000 }).notify).toEqual([
      'paris-1',
      'rome-1',
      'oslo-1',
    ]);
  });

  test('one that another leader was to tell and that has not received in time', () => {
    const after: TimedEvent[] = [
      ...twoTold,
      [200, received('paris')],
      [300, notified('oslo', 'paris')],
    ];
    const dueAtMs = 300 + config.handOutTimeoutMs;
    expect(ask({ after, contacts: answered, nowMs: 301 }).nextAtMs).toBe(dueAtMs);
    expect(ask({ after, contacts: answered, nowMs: dueAtMs }).notify).toEqual(['oslo-1']);
  });

  test('nobody whose segment has reported', () => {
    const prepared = event('SegmentPrepared', { runId, assignmentId, segment: 'paris' });
    const after: TimedEvent[] = [...twoTold, [300, prepared]];
    expect(ask({ after, contacts: answered, nowMs: reminded }).notify).toEqual(['rome-1']);
  });

  test("nobody of another assignment's report", () => {
    const other = event('SegmentPrepared', { runId, assignmentId: 'b', segment: 'paris' });
    const after: TimedEvent[] = [...twoTold, [300, other]];
    expect(ask({ after, contacts: answered, nowMs: reminded }).notify).toHaveLength(2);
  });

  test.each<[string, DomainEvent]>([
    ['completed', event('RunCompleted', { runId })],
    ['partly completed', event('RunPartiallyCompleted', { runId })],
    ['failed', event('RunFailed', { runId })],
    ['was cancelled', event('RunCancelled', { runId })],
    ['froze its prepared set', event('CommitIssued', { runId })],
  ])('nobody when the run %s, so that nothing is left to wait for', (_what, over) => {
    expect(ask({ after: [...twoTold, [300, over]], startedAtMs: 500, nowMs: 500 })).toEqual(
      nothing,
    );
  });

  test('leaders of the switch after the commit', () => {
    const view = viewAfter(
      ...built,
      [10, event('CommitIssued', { runId })],
      [20, assignmentBuilt(['paris'], JobType.SWITCH)],
      [30, planned(['paris'])],
    );
    const { notify } = whoToNotify(view, new Map(), 0, config, 30);
    expect(notify).toEqual([{ assignmentId, segment: 'paris', leader: 'paris-1' }]);
  });

  test('nobody for an assignment that was built after its run was over', () => {
    const view = viewAfter(
      [0, runStarted()],
      [1, event('RunFailed', { runId })],
      [2, assignmentBuilt(['paris'])],
      [3, planned(['paris'])],
    );
    expect(view.deliveries.size).toBe(0);
    expect(view.openRuns.size).toBe(0);
  });

  test('a segment that had no leader, as soon as it has one', () => {
    const leaderless: TimedEvent[] = [
      [0, runStarted()],
      [0, assignmentBuilt(['paris'])],
      [0, planned(['paris'])],
    ];
    expect(whoToNotify(viewAfter(...leaderless), new Map(), 0, config, 9)).toEqual(nothing);
    const view = viewAfter(...leaderless, [10, segmentLed('paris')]);
    expect(whoToNotify(view, new Map(), 0, config, 10).notify).toHaveLength(1);
  });
});
