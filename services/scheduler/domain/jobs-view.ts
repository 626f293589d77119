import type { JobSpec, RecordedEvent } from '#libs/contracts/index.js';

/** A job as the scheduler follows it. */
export interface JobEntry {
  readonly name: string;
  readonly version: bigint;
  readonly spec: JobSpec;
  readonly paused: boolean;
  readonly createdAtMs: number;
  /** Since then it counts as it is: made, edited or resumed. */
  readonly changedAtMs: number;
  /** Up to there it is known what became of what was due. */
  readonly lastDueAtMs: number;
  readonly lastRunId: string;
  /** What the staging tree looked like when it last made the job run. */
  readonly lastStaging: string;
}

/** Changed in place: the view of the log is its only owner. */
export interface JobsView {
  readonly jobs: Map<string, JobEntry>;
  /** Versions of jobs that are gone: a new one of the name goes on counting. */
  readonly versions: Map<string, bigint>;
  /** Of each site, where its content is staged. */
  readonly stagings: Map<string, string>;
}

export const jobsAggregates = ['site', 'job', 'run'] as const;

export const newJobsView = (): JobsView => ({
  ...{ jobs: new Map(), versions: new Map(), stagings: new Map() },
});

/** How a run that a change of staging made begin says what it saw. */
export const stagingTrigger = 'staging ';

export function evolveJobs(view: JobsView, happened: RecordedEvent): JobsView {
  const { timeMs } = happened;
  const change = (job: string, more: Partial<JobEntry>) => {
    const entry = view.jobs.get(job);
    if (entry) view.jobs.set(job, { ...entry, ...more });
  };
  switch (happened.type) {
    case 'SiteCreated':
    case 'SiteEdited':
      view.stagings.set(happened.data.site, happened.data.staging);
      return view;
    case 'JobCreated': {
      const { job: name, spec } = happened.data;
      const version = (view.versions.get(name) ?? 0n) + 1n;
      view.versions.set(name, version);
      if (!spec) return view;
      view.jobs.set(name, {
        ...{ name, version, spec, paused: false, createdAtMs: timeMs, changedAtMs: timeMs },
        ...{ lastDueAtMs: 0, lastRunId: '', lastStaging: '' },
      });
      return view;
    }
    case 'JobEdited': {
      const { job, jobVersion: version, spec } = happened.data;
      view.versions.set(job, version);
      if (spec) change(job, { version, spec, changedAtMs: timeMs });
      return view;
    }
    case 'JobPaused':
      change(happened.data.job, { paused: true });
      return view;
    case 'JobResumed':
      change(happened.data.job, { paused: false, changedAtMs: timeMs });
      return view;
    case 'JobDeleted':
      view.jobs.delete(happened.data.job);
      return view;
    case 'JobOccurrenceSkipped': {
      const { job, dueAtMs, untilMs } = happened.data;
      moveDue(view, job, Math.max(Number(dueAtMs), Number(untilMs)), {});
      return view;
    }
    case 'RunRequested': {
      const { runId, terms } = happened.data;
      if (!terms?.job) return view;
      const seen = terms.trigger.startsWith(stagingTrigger)
        ? { lastStaging: terms.trigger.slice(stagingTrigger.length) }
        : {};
      moveDue(view, terms.job, Number(terms.dueAtMs), { lastRunId: runId, ...seen });
      return view;
    }
    default:
      return view;
  }
}

function moveDue(view: JobsView, job: string, dueAtMs: number, more: Partial<JobEntry>): void {
  const entry = view.jobs.get(job);
  if (!entry) return;
  const lastDueAtMs = Math.max(entry.lastDueAtMs, dueAtMs);
  view.jobs.set(job, { ...entry, ...more, lastDueAtMs });
}
