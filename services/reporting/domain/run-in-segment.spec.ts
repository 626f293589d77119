import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { NodeStatus, SegmentAssignmentReportSchema } from '#libs/contracts/index.js';
import { type RunInSegmentCommand, runInSegment } from './run-in-segment.js';

function prepared(nodes: Record<string, NodeStatus>): RunInSegmentCommand {
  const report = create(SegmentAssignmentReportSchema, {
    runId: 'run-1',
    segment: 'paris',
    nodes: Object.entries(nodes).map(([node, status]) => ({ node, status })),
  });
  return { type: 'report-prepared', report };
}

function statusesAfter(...commands: RunInSegmentCommand[]) {
  const state = commands.reduce(
    (before, command) => runInSegment.decide(command, before).reduce(runInSegment.evolve, before),
    runInSegment.initial,
  );
  return Object.fromEntries((state.prepared ?? []).map(({ node, status }) => [node, status]));
}

describe('a run in a segment', () => {
  const first = prepared({ p1: NodeStatus.PREPARED, p2: NodeStatus.MISSING });

  it('records a report once', () => {
    const state = runInSegment.decide(first, {}).reduce(runInSegment.evolve, {});
    expect(runInSegment.decide(first, state)).toEqual([]);
  });

  it('takes a later report in which a missing member is prepared', () => {
    expect(statusesAfter(first, prepared({ p2: NodeStatus.PREPARED }))).toEqual({
      p1: NodeStatus.PREPARED,
      p2: NodeStatus.PREPARED,
    });
  });

  it('never takes a success back', () => {
    expect(statusesAfter(first, prepared({ p1: NodeStatus.FAILED }))).toEqual({
      p1: NodeStatus.PREPARED,
      p2: NodeStatus.MISSING,
    });
  });
});
