import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import {
  type NetworkSegmentReport,
  NetworkSegmentReportSchema,
  type RegisterSchema,
} from '#libs/contracts/index.js';
import { isOutdated, type SegmentEvent, segmentAggregate } from './segment.js';

type Member = MessageInitShape<typeof RegisterSchema>;

const first: Member = {
  node: 'paris-1',
  address: '10.0.0.1',
  port: 7,
  httpUrl: 'http://10.0.0.1:80',
  agentType: 'posix/1',
  labels: { tier: 'prod' },
  capacity: { cpuCount: 4, diskFreeBytes: 1_000n },
  liveVersions: [
    { site: 'shop', sequence: 2n },
    { site: 'www', sequence: 3n },
  ],
};
const second: Member = { node: 'paris-2', address: '10.0.0.2' };

function reportOf(changes: MessageInitShape<typeof NetworkSegmentReportSchema> = {}) {
  return create(NetworkSegmentReportSchema, {
    segment: 'paris',
    leader: 'paris-1',
    term: 4n,
    httpUrl: 'http://10.0.0.1:80',
    members: [first, second],
    reason: 'elected',
    ...changes,
  });
}

function decide(events: readonly SegmentEvent[], report: NetworkSegmentReport) {
  const state = events.reduce(segmentAggregate.evolve, segmentAggregate.initial);
  return segmentAggregate.decide({ type: 'report', report }, state);
}

const known = decide([], reportOf());

describe('a segment', () => {
  test('takes its membership from the report of its leader, members in the order of names', () => {
    const members = [{ node: 'paris-1' }, { node: 'paris-2' }];
    const told = { leader: 'paris-1', term: 4n, reason: 'elected', members };
    expect(decide([], reportOf({ members: [second, first] }))).toMatchObject([{ data: told }]);
  });

  const versions = [...(first.liveVersions ?? [])].reverse();
  test.each<[string, MessageInitShape<typeof NetworkSegmentReportSchema>]>([
    ['the same report', {}],
    ['another reason', { reason: 'periodic' }],
    ['another order of members', { members: [second, first] }],
    ['another capacity', { members: [{ ...first, capacity: { diskFreeBytes: 9n } }, second] }],
    ['another order of versions', { members: [{ ...first, liveVersions: versions }, second] }],
  ])('%s changes nothing', (_what, changes) => {
    expect(decide(known, reportOf(changes))).toEqual([]);
  });

  test.each<[string, MessageInitShape<typeof NetworkSegmentReportSchema>]>([
    ['another leader', { leader: 'paris-2' }],
    ['another term', { term: 5n }],
    ['another URL', { httpUrl: 'http://10.0.0.1:81' }],
    ['a member less', { members: [first] }],
    ['a member more', { members: [first, second, { node: 'paris-3' }] }],
    ['a member elsewhere', { members: [{ ...first, address: '10.0.0.9' }, second] }],
    ['other labels', { members: [{ ...first, labels: {} }, second] }],
    ['another agent type', { members: [{ ...first, agentType: 'posix/2' }, second] }],
    ['another live version', { members: [{ ...first, liveVersions: [] }, second] }],
  ])('%s is a change', (_what, changes) => {
    expect(decide(known, reportOf(changes))).toHaveLength(1);
  });

  const leaving = (...nodes: string[]) => {
    const events = [...known];
    for (const node of nodes) {
      const state = events.reduce(segmentAggregate.evolve, segmentAggregate.initial);
      events.push(...segmentAggregate.decide({ type: 'leave', node }, state));
    }
    return events.slice(known.length).map(({ data }) => data);
  };

  test('loses a server that leaves for good, and its leader with that one', () => {
    const [after, ...more] = leaving('paris-2', 'paris-2', 'rome-1');
    const leader = { leader: 'paris-1', term: 4n, httpUrl: 'http://10.0.0.1:80' };
    expect(after).toMatchObject({ ...leader, reason: 'paris-2 is removed' });
    expect(after).toMatchObject({ members: [{ node: 'paris-1' }] });
    expect(more).toEqual([]);
    expect(leaving('paris-1')).toMatchObject([
      { leader: '', httpUrl: '', term: 4n, members: [{ node: 'paris-2' }] },
    ]);
  });

  test('a report is outdated when its term is over and it is older than the last change', () => {
    const current = { term: 4n, changedAtMs: 1_000 };
    const late = reportOf({ leader: 'paris-2', term: 3n });
    expect(isOutdated({ report: late, reportedAtMs: 999 }, current)).toBe(true);
    expect(isOutdated({ report: late, reportedAtMs: 1_001 }, current)).toBe(false);
    expect(isOutdated({ report: reportOf(), reportedAtMs: 1 }, current)).toBe(false);
    expect(isOutdated({ report: late, reportedAtMs: 1 }, undefined)).toBe(false);
  });
});
