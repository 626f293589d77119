import {
  type AssignmentReport,
  type DomainEvent,
  event,
  NodeStatus,
  type SegmentAssignmentReport,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';

export type RunInSegmentEvent = DomainEvent<'SegmentPrepared' | 'SegmentSwitched'>;

/** A leader's consolidated report of one assignment of a run. */
export interface RunInSegmentCommand {
  readonly type: 'report-prepared' | 'report-switched';
  readonly report: SegmentAssignmentReport;
}

/** The best that each member has reported so far. */
export interface RunInSegmentState {
  readonly prepared?: readonly AssignmentReport[];
  readonly switched?: readonly AssignmentReport[];
}

/** One run in one segment, so that leaders never contend for one subject. */
export const runInSegment: Aggregate<RunInSegmentState, RunInSegmentCommand, RunInSegmentEvent> = {
  type: 'run-in-segment',
  initial: {},

  evolve(state, happened) {
    switch (happened.type) {
      case 'SegmentPrepared':
        return { ...state, prepared: happened.data.nodes };
      case 'SegmentSwitched':
        return { ...state, switched: happened.data.nodes };
    }
  },

  decide({ type, report }, state) {
    const known = type === 'report-prepared' ? state.prepared : state.switched;
    if (known && !improves(report.nodes, known)) return [];
    const { multicastBytes, repairBytes, unicastBytes } = report;
    const data = {
      runId: report.runId,
      segment: report.segment,
      assignmentId: report.assignmentId,
      nodes: known ? merge(known, report.nodes) : report.nodes,
      bytes: { multicast: multicastBytes, repair: repairBytes, unicast: unicastBytes },
    };
    return [event(type === 'report-prepared' ? 'SegmentPrepared' : 'SegmentSwitched', data)];
  },
};

export function succeeded({ status }: AssignmentReport): boolean {
  return status === NodeStatus.PREPARED || status === NodeStatus.SWITCHED;
}

/** Whether a later report brings the success of a member that had none before. */
function improves(later: readonly AssignmentReport[], known: readonly AssignmentReport[]): boolean {
  return merge(known, later).some((node, index) => node !== known[index]);
}

function merge(known: readonly AssignmentReport[], later: readonly AssignmentReport[]) {
  const merged = new Map(known.map((node) => [node.node, node]));
  for (const node of later) {
    const before = merged.get(node.node);
    if (!before || (!succeeded(before) && succeeded(node))) merged.set(node.node, node);
  }
  return [...merged.values()];
}
