import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { assignmentId } from '../domain/planner-fixture.js';
import { type PlannerHarness, startPlanner } from './planner-harness.js';

let planner: PlannerHarness;

beforeEach(async () => {
  planner = await startPlanner();
  await planner.enrol('paris-1', 'paris');
  await planner.enrol('paris-2', 'paris');
  await planner.enrol('rome-1', 'rome');
});
afterEach(() => planner.close());

interface Membership {
  readonly segment: string;
  readonly leader: string;
  readonly members?: readonly string[];
  readonly term?: bigint;
  readonly reportedAtMs?: number;
}

let reportCount = 0;

function membership({ members = [], ...given }: Membership, reportId = `r-${++reportCount}`) {
  const { segment, leader, term = 1n, reportedAtMs = planner.clock.nowMs() } = given;
  const value = { segment, leader, term, members: members.map((node) => ({ node })) };
  const report = { case: 'networkSegment', value } as const;
  return { reportId, reportedAtMs: BigInt(reportedAtMs), report };
}

async function changes(segment: string) {
  const events = await planner.log.read({ type: 'segment', id: segment });
  return events.flatMap((change) => (change.type === 'SegmentChanged' ? [change.data] : []));
}

describe('reports of leaders', () => {
  test('a membership becomes an event once, however often it is reported', async () => {
    const report = { segment: 'paris', leader: 'paris-1', members: ['paris-1', 'paris-2'] };
    await planner.reports.onSegment(planner.signed('paris-1', membership(report)));
    await planner.reports.onSegment(planner.signed('paris-1', membership(report)));
    const [change, ...more] = await changes('paris');
    expect(change?.members.map(({ node }) => node)).toEqual(['paris-1', 'paris-2']);
    expect(more).toEqual([]);
  });

  test('a report that is delivered again late does not bring the past back', async () => {
    const alone = { segment: 'paris', leader: 'paris-1', members: ['paris-1'] };
    const old = planner.signed('paris-1', membership(alone));
    await planner.reports.onSegment(old);
    const both = { ...alone, members: ['paris-1', 'paris-2'] };
    await planner.reports.onSegment(planner.signed('paris-1', membership(both)));
    await planner.reports.onSegment(old);
    expect((await changes('paris')).map(({ members }) => members.length)).toEqual([1, 2]);
  });

  test('the event says which agent reported', async () => {
    const report = membership({ segment: 'paris', leader: 'paris-1' }, 'report-7');
    await planner.reports.onSegment(planner.signed('paris-1', report));
    const [change] = await planner.log.read({ type: 'segment', id: 'paris' });
    expect(change?.context).toMatchObject({
      actor: 'agent:paris-1',
      causationId: 'paris-1/report-7',
    });
  });

  test('members that are not enrolled in the segment are left out', async () => {
    const members = ['paris-1', 'rome-1', 'nobody'];
    const report = membership({ segment: 'paris', leader: 'paris-1', members });
    await planner.reports.onSegment(planner.signed('paris-1', report));
    expect((await changes('paris'))[0]?.members.map(({ node }) => node)).toEqual(['paris-1']);
  });

  test('a server that was removed does not come back with the report of its leader', async () => {
    const report = { segment: 'paris', leader: 'paris-1', members: ['paris-1', 'paris-2'] };
    await planner.reports.onSegment(planner.signed('paris-1', membership(report)));
    await planner.remove('paris-2');
    await planner.reports.onSegment(planner.signed('paris-1', membership(report)));
    const members = (await changes('paris')).map((change) => change.members.map((m) => m.node));
    expect(members).toEqual([['paris-1', 'paris-2'], ['paris-1']]);
    expect(planner.view.state.segments.get('paris')?.members).toHaveLength(1);
  });

  test('a leader that was removed is not heard any more, and the next one is', async () => {
    const report = { segment: 'paris', leader: 'paris-1', members: ['paris-1', 'paris-2'] };
    await planner.reports.onSegment(planner.signed('paris-1', membership(report)));
    await planner.remove('paris-1');
    expect(planner.view.state.segments.has('paris')).toBe(false);
    await planner.reports.onSegment(planner.signed('paris-1', membership(report)));
    expect(planner.view.state.segments.has('paris')).toBe(false);
    const next = membership({ ...report, leader: 'paris-2', term: 2n });
    await planner.reports.onSegment(planner.signed('paris-2', next));
    expect(planner.view.state.segments.get('paris')).toMatchObject({
      leader: 'paris-2',
      members: [{ node: 'paris-2' }],
    });
  });

  test('a leader speaks for itself and its own segment only', async () => {
    const ofRome = membership({ segment: 'rome', leader: 'paris-1' });
    await planner.reports.onSegment(planner.signed('paris-1', ofRome));
    const ofAnother = membership({ segment: 'paris', leader: 'paris-2' });
    await planner.reports.onSegment(planner.signed('paris-1', ofAnother));
    expect(await changes('rome')).toEqual([]);
    expect(await changes('paris')).toEqual([]);
  });

  test('a forged report and one of an unknown node are dropped', async () => {
    const report = membership({ segment: 'paris', leader: 'paris-1' });
    const forged = { ...planner.signed('paris-2', report), node: 'paris-1' };
    await planner.reports.onSegment(forged);
    await planner.reports.onSegment({ ...forged, node: 'nobody' });
    await planner.reports.onSegment({ ...forged, signature: new Uint8Array() });
    expect(await changes('paris')).toEqual([]);
  });

  test('a late report of a leader that was replaced is dropped', async () => {
    const newer = membership({ segment: 'paris', leader: 'paris-2', term: 5n });
    await planner.reports.onSegment(planner.signed('paris-2', newer));
    const late = { segment: 'paris', leader: 'paris-1', term: 4n, reportedAtMs: 5 };
    await planner.reports.onSegment(planner.signed('paris-1', membership(late)));
    expect((await changes('paris')).map(({ leader }) => leader)).toEqual(['paris-2']);
  });

  test('a reception is recorded once', async () => {
    await planner.lead('paris');
    await planner.distribute(['paris']);
    await planner.receive('paris', 'one');
    await planner.receive('paris', 'one');
    await planner.receive('paris', 'two');
    expect((await planner.story()).slice(2)).toEqual([
      'LeaderReceived paris',
      'DistributionCompleted',
    ]);
  });

  test('a link that carried more than 1.05 copies is told of', async () => {
    await planner.lead('paris');
    await planner.lead('rome');
    await planner.distribute(['paris', 'rome'], 1_000);
    await planner.receive('paris', 'one', 'origin', 1_050n);
    expect(planner.warnings).toEqual([]);
    await planner.receive('rome', 'two', 'origin', 1_051n);
    expect(planner.warnings).toEqual(['a link carried more than one copy']);
  });

  test('receptions that come together are appended together, each once', async () => {
    const segments = Array.from({ length: 30 }, (_, at) => `s${at}`);
    for (const segment of segments) await planner.lead(segment);
    await planner.distribute(segments);
    const appends = jest.spyOn(planner.log, 'append');
    await Promise.all([...segments, ...segments].map((segment) => planner.receive(segment)));
    const appended = appends.mock.calls.map(([, , events]) =>
      events.filter(({ type }) => type === 'LeaderReceived'),
    );
    expect(appended.flat()).toHaveLength(30);
    expect(appended.filter((events) => events.length > 0).length).toBeLessThanOrEqual(4);
    expect((await planner.story()).at(-1)).toBe('DistributionCompleted');
  });

  test('a reception for another segment or of an unplanned assignment is dropped', async () => {
    await planner.lead('paris');
    await planner.distribute(['paris']);
    const report = { case: 'received', value: { assignmentId, segment: 'paris' } } as const;
    await planner.reports.onReceived(planner.signed('rome-1', { reportId: 'x', report }));
    expect(await planner.story()).toHaveLength(2);
    const unknown = { ...report, value: { assignmentId: 'unknown', segment: 'paris' } };
    const signed = planner.signed('paris-1', { reportId: 'y', report: unknown });
    await expect(planner.reports.onReceived(signed)).resolves.toBeUndefined();
  });
});
