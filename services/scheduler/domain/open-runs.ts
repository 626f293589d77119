import type { RecordedEvent, RunPolicies } from '#libs/contracts/index.js';

/** The actor of runs that the scheduler starts by itself. */
export const automaticActor = 'service:scheduler';

/** A run that is not over. */
export interface OpenRun {
  readonly site: string;
  /** Nobody asked for it: it gives way to one that somebody asks for. */
  readonly automatic: boolean;
  readonly requestedAtMs: number;
  readonly policies: RunPolicies | undefined;
  readonly situation: 'new' | 'queued' | 'deferred' | 'started' | 'rolling-out';
  /** Queued: the run in the way; empty: there is no room on the network. */
  readonly blockingRunId: string;
  readonly untilMs: number;
  /** Started: the links that it uses. */
  readonly segments: readonly string[];
}

/** By id, in the order of the requests. Changed in place: the view of the log is its only owner. */
export type OpenRuns = Map<string, OpenRun>;

/** Takes in what an event says of open runs. */
export function followOpenRuns(runs: OpenRuns, happened: RecordedEvent): void {
  const change = (runId: string, more: Partial<OpenRun>) => {
    const known = runs.get(runId);
    if (known) runs.set(runId, { ...known, ...more });
  };
  switch (happened.type) {
    case 'RunRequested': {
      const { runId, site, terms } = happened.data;
      const automatic = happened.context.actor === automaticActor && !terms?.job;
      runs.set(runId, {
        ...{ site, automatic, requestedAtMs: happened.timeMs, policies: terms?.policies },
        ...{ situation: 'new', blockingRunId: '', untilMs: 0, segments: [] },
      });
      return;
    }
    case 'RunQueued': {
      const { runId, blockingRunId } = happened.data;
      change(runId, { situation: 'queued', blockingRunId });
      return;
    }
    case 'RunDeferred': {
      const { runId, untilMs } = happened.data;
      change(runId, { situation: 'deferred', untilMs: Number(untilMs) });
      return;
    }
    case 'RunStarted': {
      const segments = happened.data.targets.map(({ segment }) => segment);
      change(happened.data.runId, { situation: 'started', segments });
      return;
    }
    case 'RolloutStarted':
      change(happened.data.runId, { situation: 'rolling-out' });
      return;
    case 'RunCancelled':
    case 'RunClosed':
    case 'RunCompleted':
    case 'RunPartiallyCompleted':
    case 'RunFailed':
    case 'RunAborted':
      runs.delete(happened.data.runId);
  }
}
