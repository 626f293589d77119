import {
  type AssignmentReport,
  type ChangeSetComputed,
  JobType,
  NodeStatus,
  type RecordedEvent,
  type SegmentBytes,
  type SegmentPrepared,
  type SegmentSwitched,
} from '#libs/contracts/index.js';
import type { Change, Handlers, Row } from './change.js';
import { fleetHandlers } from './fleet-projection.js';

/** The changes that one event makes to the read models. Pure; unknown kinds change nothing. */
export function changesOf(happened: RecordedEvent): readonly Change[] {
  const change = handlers[happened.type] as ((event: RecordedEvent) => Change[]) | undefined;
  return change?.(happened) ?? [];
}

const runHandlers: Handlers = {
  RunRequested: (happened) => [
    run(happened.data.runId, {
      site: happened.data.site,
      type: jobTypeName(happened.data.type),
      dry_run: happened.data.dryRun,
      actor: happened.context.actor,
      requested_at: time(happened),
      job: happened.data.terms?.job ?? '',
      job_version: Number(happened.data.terms?.jobVersion ?? 0n),
      trigger: happened.data.terms?.trigger ?? '',
      rollout_run_id: happened.data.terms?.rolloutRunId ?? '',
    }),
  ],
  RunQueued: ({ data: { runId, blockingRunId, reason } }) => [
    run(runId, { waiting: 'queued', waiting_reason: reason, blocking_run_id: blockingRunId }),
  ],
  RunDeferred: ({ data: { runId, untilMs, reason } }) => {
    const until = new Date(Number(untilMs)).toISOString();
    const waiting_reason = `${reason} (until ${until})`;
    return [run(runId, { waiting: 'deferred', waiting_reason, blocking_run_id: '' })];
  },
  RunStarted: (happened) => [
    run(happened.data.runId, { started_at: time(happened) }),
    ...pendingNodes(happened),
  ],
  RolloutStarted: (happened) => [
    run(happened.data.runId, { started_at: time(happened) }),
    ...happened.data.waves.flatMap(({ nodes }) =>
      nodes.map((node) => pendingNode(happened.data.runId, node, '')),
    ),
  ],
  WaveStarted: ({ data: { runId, wave } }) => [run(runId, { wave_text: `wave ${wave}` })],
  WaveSoaking: ({ data: { runId, wave, untilMs } }) => {
    const until = new Date(Number(untilMs)).toISOString();
    return [run(runId, { wave_text: `wave ${wave} is watched until ${until}` })];
  },
  WavePassed: ({ data: { runId, wave } }) => [run(runId, { wave_text: `wave ${wave} passed` })],
  WaveFailed: ({ data: { runId, wave, reason } }) => [
    run(runId, { wave_text: `wave ${wave} failed: ${reason}` }),
  ],
  RolloutRolledBack: ({ data: { runId } }) => [run(runId, { wave_text: 'going back' })],
  RolloutEnded: ({ data: { runId, status, reason, durationMs } }) => [
    ended(runId, status, { ...duration(durationMs), reason }),
  ],
  RunCancelled: ({ data }) => [ended(data.runId, 'cancelled', { reason: data.reason })],
  RunAborted: ({ data: { runId, durationMs, reason } }) => [
    ended(runId, 'aborted', { ...duration(durationMs), reason }),
  ],
  ChangeSetComputed: ({ data }) => [run(data.runId, { changes: changeSummary(data) })],
  AssignmentBuilt: (happened) => [assignment(happened)],
  LeaderReceived: (happened) => [link(happened)],
  SegmentPrepared: ({ data }) => segmentReported(data),
  SegmentSwitched: ({ data }) => segmentReported(data),
  RunCompleted: ({ data: { runId, durationMs, nothingChanged } }) => [
    ended(runId, 'completed', { ...duration(durationMs), nothing_changed: nothingChanged }),
  ],
  RunPartiallyCompleted: ({ data: { runId, durationMs, missed } }) => {
    const reason = `${missed.length} server(s) did not switch: ${names(missed)}`;
    return [
      ended(runId, 'partial', { ...duration(durationMs), reason }),
      ...missed.map((node) => missedNode(runId, node)),
    ];
  },
  RunFailed: ({ data: { runId, durationMs, reason, missed } }) => [
    ended(runId, 'failed', { ...duration(durationMs), reason }),
    ...missed.map((node) => missedNode(runId, node)),
  ],
};

const handlers: Handlers = { ...fleetHandlers, ...runHandlers };

function pendingNodes({ data }: RecordedEvent<'RunStarted'>): Change[] {
  return data.targets.flatMap(({ segment, nodes }) =>
    nodes.map((node) => pendingNode(data.runId, node, segment)),
  );
}

function pendingNode(runId: string, node: string, segment: string): Change {
  const key = { run_id: runId, node };
  return { kind: 'insert', table: 'run_node', key, set: { segment, status: 'pending', error: '' } };
}

function changeSummary(data: ChangeSetComputed): Row {
  const { counts, treeBytes, changedBytes, diskNeededBytes, scanMs } = data;
  const { $typeName: _, ...numbers } = counts ?? { $typeName: '' };
  return {
    ...numbers,
    treeBytes: Number(treeBytes),
    changedBytes: Number(changedBytes),
    diskNeededBytes: Number(diskNeededBytes),
    scanMs: Number(scanMs),
  };
}

function segmentReported(data: SegmentPrepared | SegmentSwitched): Change[] {
  const { runId, segment, assignmentId, nodes, bytes } = data;
  return [
    segmentBytes(runId, segment, assignmentId, bytes),
    ...nodes.map((node) => runNode(runId, segment, node)),
  ];
}

function run(runId: string, set: Row): Change {
  return { kind: 'upsert', table: 'run', key: { run_id: runId }, set };
}

function ended(runId: string, status: string, more: Row): Change {
  return run(runId, { outcome: status, ...more });
}

function assignment(happened: RecordedEvent<'AssignmentBuilt'>): Change {
  const { assignmentId, runId, site, sequence, type, containerBytes, containerDigest } =
    happened.data;
  return {
    kind: 'upsert',
    table: 'assignment',
    key: { id: assignmentId },
    set: {
      run_id: runId,
      site,
      sequence: Number(sequence),
      type: jobTypeName(type),
      bytes: Number(containerBytes),
      digest: Buffer.from(containerDigest).toString('hex'),
      built_at: time(happened),
    },
  };
}

function link(happened: RecordedEvent<'LeaderReceived'>): Change {
  const { runId, assignmentId, segment, source, bytes, durationMs, links } = happened.data;
  const sources: Record<string, number> = {};
  for (const from of links) sources[from.source] = (sources[from.source] ?? 0) + Number(from.bytes);
  return {
    kind: 'upsert',
    table: 'run_link',
    key: { run_id: runId, assignment_id: assignmentId, segment },
    set: { source, bytes: Number(bytes), duration_ms: Number(durationMs), sources },
  };
}

function segmentBytes(
  runId: string,
  segment: string,
  assignmentId: string,
  bytes: SegmentBytes | undefined,
): Change {
  return {
    kind: 'upsert',
    table: 'run_segment',
    key: { run_id: runId, segment, assignment_id: assignmentId },
    set: {
      multicast: Number(bytes?.multicast ?? 0),
      repair: Number(bytes?.repair ?? 0),
      unicast: Number(bytes?.unicast ?? 0),
    },
  };
}

function runNode(runId: string, segment: string, report: AssignmentReport): Change {
  const switchedAt = Number(report.switchedAtMs);
  return {
    kind: 'upsert',
    table: 'run_node',
    key: { run_id: runId, node: report.node },
    set: {
      segment,
      status: nodeStatusNames[report.status],
      error: report.error,
      switched_at: switchedAt > 0 ? new Date(switchedAt).toISOString() : null,
    },
  };
}

/** Only the missing are news here: what the others reported, their segment's event told. */
function missedNode(runId: string, report: AssignmentReport): Change {
  const set = { status: nodeStatusNames[report.status], error: report.error };
  return { kind: 'upsert', table: 'run_node', key: { run_id: runId, node: report.node }, set };
}

const nodeStatusNames: Record<NodeStatus, string> = {
  [NodeStatus.UNSPECIFIED]: 'pending',
  [NodeStatus.PREPARED]: 'prepared',
  [NodeStatus.SWITCHED]: 'switched',
  [NodeStatus.FAILED]: 'failed',
  [NodeStatus.MISSING]: 'missing',
  [NodeStatus.RECEIVED]: 'pending',
};

function jobTypeName(type: JobType): string {
  return (JobType[type] ?? 'unspecified').toLowerCase().replaceAll('_', '-');
}

function duration(durationMs: bigint): Row {
  return { duration_ms: Number(durationMs) };
}

function names(reports: readonly AssignmentReport[]): string {
  return reports.map(({ node, error }) => (error ? `${node} (${error})` : node)).join(', ');
}

function time({ timeMs }: RecordedEvent): string {
  return new Date(timeMs).toISOString();
}
