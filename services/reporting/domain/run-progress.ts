import {
  type AssignmentBuilt,
  type ChangeSetComputed,
  type CommitIssued,
  JobType,
  type RecordedEvent,
  type RunStarted,
  type SegmentPrepared,
  type SegmentSwitched,
} from '#libs/contracts/index.js';

/** What the coordinator knows of one run: the facts that other services and reports gave. */
export interface RunProgress {
  readonly started?: RunStarted;
  readonly changes?: ChangeSetComputed;
  readonly failure?: string;
  readonly prepared: ReadonlyMap<string, SegmentPrepared>;
  readonly switched: ReadonlyMap<string, SegmentSwitched>;
  readonly built?: AssignmentBuilt;
  readonly commit?: CommitIssued;
  readonly committedAtMs?: number;
  /** Somebody wants it to go live. */
  readonly approved?: boolean;
}

/** The runs that have not ended, by id. */
export type OpenRuns = ReadonlyMap<string, RunProgress>;

export const noOpenRuns: OpenRuns = new Map();

const unknownRun: RunProgress = { prepared: new Map(), switched: new Map() };

/** The open runs after one more event. */
export function evolveOpenRuns(runs: OpenRuns, happened: RecordedEvent): OpenRuns {
  switch (happened.type) {
    case 'RunStarted':
      return withRun(runs, happened.data.runId, (run) => ({ ...run, started: happened.data }));
    case 'ChangeSetComputed':
      return withRun(runs, happened.data.runId, (run) => ({ ...run, changes: happened.data }));
    case 'ChangeSetFailed':
    case 'AssignmentFailed':
      return withRun(runs, happened.data.runId, (run) => ({
        ...run,
        failure: happened.data.reason,
      }));
    case 'AssignmentBuilt':
      if (happened.data.type === JobType.SWITCH) return runs;
      return withRun(runs, happened.data.runId, (run) => ({ ...run, built: happened.data }));
    case 'SegmentPrepared':
      return withRun(runs, happened.data.runId, (run) => ({
        ...run,
        prepared: new Map(run.prepared).set(happened.data.segment, happened.data),
      }));
    case 'SegmentSwitched':
      return withRun(runs, happened.data.runId, (run) => ({
        ...run,
        switched: new Map(run.switched).set(happened.data.segment, happened.data),
      }));
    case 'CommitIssued':
      return withRun(runs, happened.data.runId, (run) => ({
        ...run,
        commit: happened.data,
        committedAtMs: happened.timeMs,
      }));
    case 'GoLiveApproved':
      return withRun(runs, happened.data.runId, (run) => ({ ...run, approved: true }));
    case 'RunCancelled':
    case 'RunAborted':
    case 'RunCompleted':
    case 'RunPartiallyCompleted':
    case 'RunFailed': {
      const rest = new Map(runs);
      rest.delete(happened.data.runId);
      return rest;
    }
    default:
      return runs;
  }
}

/** Reports that arrive after the end of a run must not open it again. */
function withRun(runs: OpenRuns, id: string, change: (run: RunProgress) => RunProgress): OpenRuns {
  const run = runs.get(id) ?? unknownRun;
  const changed = change(run);
  if (!run.started && !changed.started) return runs;
  return new Map(runs).set(id, changed);
}
