import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { AssignmentReportSchema, NodeStatus, ReportRequestSchema } from '#libs/contracts/index.js';
import {
  type Collection,
  type CollectionEffect,
  startCollection,
  stepCollection,
} from './report-collection.js';
import {
  asksFor,
  reportSendingWakeAtMs,
  startReportSending,
  stepReportSending,
} from './report-sending.js';
import { standardTimings } from './timings.js';

const timings = { requestIntervalMs: 100, requestLimit: 2, broadcastAboveShare: 0.5 };

function reportOf(node: string) {
  return create(AssignmentReportSchema, { node, assignmentId: 'a', status: NodeStatus.PREPARED });
}

function collectionOf(count: number, reported: number, broadcastAboveShare = 0.5): Collection {
  const nodes = Array.from({ length: count }, (_, n) => `n${n}`);
  let collection = startCollection('a', nodes, { ...timings, broadcastAboveShare }, 100);
  for (const node of nodes.slice(0, reported)) {
    [collection] = stepCollection(collection, { type: 'report', report: reportOf(node) }, 0);
  }
  return collection;
}

function requestsAt(collection: Collection, nowMs: number) {
  const [next, effects] = stepCollection(collection, { type: 'tick' }, nowMs);
  const requests = effects.flatMap((effect: CollectionEffect) =>
    effect.type === 'ended' ? [] : [{ type: effect.type, ...lists(effect.request) }],
  );
  return { next, requests, ended: effects.find(({ type }) => type === 'ended') };
}

function lists({ missing, reported }: { missing: string[]; reported: string[] }) {
  return { missing, reported };
}

describe('the leader of an assignment', () => {
  it('asks nobody before the first interval has passed', () => {
    expect(requestsAt(collectionOf(4, 2), 99).requests).toEqual([]);
  });

  it('asks each missing node when at most half are missing', () => {
    expect(requestsAt(collectionOf(4, 2), 100).requests).toEqual([
      { type: 'request-one', missing: ['n2'], reported: [] },
      { type: 'request-one', missing: ['n3'], reported: [] },
    ]);
  });

  it('asks all at once when more are missing, and lists the reported if these are not more', () => {
    expect(requestsAt(collectionOf(4, 1), 100).requests).toEqual([
      { type: 'request-all', missing: [], reported: ['n0'] },
    ]);
    expect(requestsAt(collectionOf(4, 2, 0.25), 100).requests).toEqual([
      { type: 'request-all', missing: [], reported: ['n0', 'n1'] },
    ]);
  });

  it('lists the missing when these are fewer', () => {
    expect(requestsAt(collectionOf(5, 3, 0.2), 100).requests).toEqual([
      { type: 'request-all', missing: ['n3', 'n4'], reported: [] },
    ]);
  });

  it('gives up after the limit, with the missing ones named', () => {
    const first = requestsAt(collectionOf(3, 2), 100);
    expect(requestsAt(first.next, 150).requests).toEqual([]);
    const second = requestsAt(first.next, 200);
    expect(second.requests).toHaveLength(1);
    expect(requestsAt(second.next, 300).ended).toMatchObject({
      reports: [
        { node: 'n0', status: NodeStatus.PREPARED },
        { node: 'n1', status: NodeStatus.PREPARED },
        { node: 'n2', status: NodeStatus.MISSING },
      ],
    });
  });

  it('ends with the last report, once, and counts neither strangers nor other assignments', () => {
    let collection = collectionOf(2, 1);
    const stranger = { type: 'report', report: reportOf('x') } as const;
    const other = { ...reportOf('n1'), assignmentId: 'b' };
    [collection] = stepCollection(collection, stranger, 1);
    [collection] = stepCollection(collection, { type: 'report', report: other }, 1);
    expect(collection.ended).toBe(false);
    const last = { type: 'report', report: reportOf('n1') } as const;
    const [done, effects] = stepCollection(collection, last, 1);
    expect(effects).toHaveLength(1);
    expect(stepCollection(done, last, 1)[1]).toEqual([]);
  });
});

describe('a member that reports', () => {
  const start = () => {
    const state = startReportSending('n1', standardTimings.reports, () => 0.5);
    return stepReportSending(state, { type: 'leader', known: true }, 0)[0];
  };
  const report = reportOf('n1');
  const request = (missing: string[], reported: string[] = []) =>
    create(ReportRequestSchema, { assignmentId: 'a', missing, reported });

  it('does so at once in a small group, later in a large one', () => {
    const small = stepReportSending(start(), { type: 'report', report, memberCount: 8 }, 7)[0];
    expect(reportSendingWakeAtMs(small)).toBe(7);
    const large = stepReportSending(start(), { type: 'report', report, memberCount: 200 }, 7)[0];
    expect(reportSendingWakeAtMs(large)).toBe(7 + 20 * 200 * 0.5);
  });

  it('understands both kinds of list', () => {
    expect(asksFor(request(['n1', 'n2']), 'n1')).toBe(true);
    expect(asksFor(request(['n2']), 'n1')).toBe(false);
    expect(asksFor(request([], ['n2']), 'n1')).toBe(true);
    expect(asksFor(request([], ['n1']), 'n1')).toBe(false);
  });

  it('sends again when asked, and does not send what the leader has', () => {
    let state = stepReportSending(start(), { type: 'report', report, memberCount: 200 }, 0)[0];
    const has = { type: 'request', request: request([], ['n1']), memberCount: 9 } as const;
    state = stepReportSending(state, has, 1)[0];
    expect(stepReportSending(state, { type: 'tick' }, 60_000)[1]).toEqual([]);
    const lacks = { type: 'request', request: request(['n1']), memberCount: 1 } as const;
    state = stepReportSending(state, lacks, 60_001)[0];
    expect(stepReportSending(state, { type: 'tick' }, 60_001)[1]).toEqual([
      { type: 'send-report', report },
    ]);
  });

  it('waits for a leader, and forgets after the time to keep', () => {
    let state = startReportSending('n1', standardTimings.reports, () => 0.5);
    state = stepReportSending(state, { type: 'report', report, memberCount: 1 }, 0)[0];
    expect(stepReportSending(state, { type: 'tick' }, 5)[1]).toEqual([]);
    const led = stepReportSending(state, { type: 'leader', known: true }, 5)[0];
    expect(stepReportSending(led, { type: 'tick' }, 5)[1]).toHaveLength(1);
    const [old] = stepReportSending(state, { type: 'tick' }, standardTimings.reports.keepMs);
    expect(old.kept.size).toBe(0);
  });
});
