import { type Cancel, type Clock, scheduleTogether } from '#libs/clock/clock.js';
import type { LogView } from '#libs/event-log/log-view.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';
import { derivedId } from '../domain/derived-id.js';
import type { JobEntry, JobsView } from '../domain/jobs-view.js';
import { dueOf } from '../domain/schedule.js';
import type { JobStarts } from './job-starts.js';

/** Real clocks are set, and timers know nothing of it: the time is looked at this often. */
const lookEveryMs = 200;
const lookWithoutJobsEveryMs = 1_200;
const retryMs = 1_000;

interface Planned {
  readonly entry: JobEntry;
  /** When to look at the job again. */
  readonly atMs: number;
}

/**
 * Begins jobs when they are due. Every replica does: the id of a run follows from the job and the
 * time it was due at, so it begins once.
 */
export class JobTimes {
  private readonly planned = new Map<string, Planned>();
  private readonly underWay = new Set<string>();
  private cancel: Cancel | undefined;
  private lastLookMs = 0;
  private isClosed = false;

  constructor(
    private readonly jobs: Pick<LogView<JobsView>, 'state'>,
    private readonly starts: Pick<JobStarts, 'startDue' | 'skip'>,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.plan();
  }

  close(): void {
    this.isClosed = true;
    this.cancel?.();
  }

  private plan(): void {
    if (this.isClosed) return;
    const hasJobs = this.jobs.state.jobs.size > 0;
    const pauseMs = hasJobs ? lookEveryMs : lookWithoutJobsEveryMs;
    this.cancel = scheduleTogether(this.clock, pauseMs, () => {
      this.look();
      this.plan();
    });
  }

  private look(): void {
    const nowMs = this.clock.nowMs();
    // A clock that was set back: what was planned counts from the time before.
    if (nowMs < this.lastLookMs) this.planned.clear();
    this.lastLookMs = nowMs;
    for (const [name, entry] of this.jobs.state.jobs) {
      const planned = this.planned.get(name);
      if (planned?.entry === entry && nowMs < planned.atMs) continue;
      if (!this.underWay.has(name)) this.lookAt(entry, nowMs);
    }
    if (this.planned.size > this.jobs.state.jobs.size) this.forgetGone();
  }

  private lookAt(entry: JobEntry, nowMs: number): void {
    const { name } = entry;
    const due = dueOf(entry, nowMs);
    if (due.kind === 'never' || due.kind === 'wait') {
      const atMs = due.kind === 'wait' ? due.untilMs : Number.POSITIVE_INFINITY;
      this.planned.set(name, { entry, atMs });
      return;
    }
    const { dueAtMs, trigger } = due.occurrence;
    const runId = derivedId('job', name, dueAtMs);
    const work =
      due.kind === 'start'
        ? this.starts.startDue(entry, { runId, trigger, dueAtMs })
        : this.starts.skip(entry, runId, dueAtMs, due.untilMs, `${trigger}: it was too late`);
    this.underWay.add(name);
    // What is done shows in the entry; until then the job is left alone for a while.
    this.planned.set(name, { entry, atMs: nowMs + retryMs });
    work
      .catch((error) => {
        this.logger.warn('a job could not begin', { job: name, reason: reasonOf(error) });
      })
      .finally(() => this.underWay.delete(name));
  }

  private forgetGone(): void {
    for (const name of this.planned.keys()) {
      if (!this.jobs.state.jobs.has(name)) this.planned.delete(name);
    }
  }
}
