import type { Clock } from '#libs/clock/clock.js';
import { DomainError, type EventContext } from '#libs/contracts/index.js';
import { execute } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { LogView } from '#libs/event-log/log-view.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { jobAggregate, type Skipped } from '../domain/job-definition.js';
import { beginsAtMs, type Cause, requestOfJob } from '../domain/job-run.js';
import type { JobEntry, JobsView } from '../domain/jobs-view.js';
import type { Accepted, Runs } from './runs.js';

/** So long the replica that goes first has, before the others look whether it did. */
const goesFirstMs = 1_000;

/** Starts runs of jobs; one that cannot be is recorded as left out, with the reason. */
export class JobStarts {
  constructor(
    private readonly log: EventLog,
    private readonly jobs: Pick<LogView<JobsView>, 'state' | 'reaches'>,
    private readonly runs: Pick<Runs, 'request'>,
    /** Whether this replica begins what is due of a site first: two would race for its claim. */
    private readonly goesFirst: (site: string) => boolean,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /**
   * Starts what is due. Of several replicas one goes first; where it does not, being gone, the
   * others do. Harmless to repeat.
   */
  async startDue(entry: JobEntry, cause: Cause & { readonly dueAtMs: number }): Promise<void> {
    if (!this.goesFirst(entry.spec.site)) {
      await new Promise<void>((resolve) => {
        this.clock.schedule(goesFirstMs, resolve);
      });
      const present = this.jobs.state.jobs.get(entry.name);
      if (!present || present.lastDueAtMs >= cause.dueAtMs) return;
    }
    await this.start(entry, cause);
  }

  /** Starts a run because of something that happens by itself. Harmless to repeat. */
  async start(entry: JobEntry, cause: Cause): Promise<void> {
    const { name } = entry;
    const nowMs = this.clock.nowMs();
    const notBeforeMs = cause.dueAtMs ? 0 : beginsAtMs(entry, nowMs);
    const dueAtMs = cause.dueAtMs ?? nowMs;
    if (notBeforeMs === undefined) {
      return this.skip(entry, cause.runId, dueAtMs, 0, `${cause.trigger}: in a blackout`);
    }
    const request = requestOfJob(entry, cause, notBeforeMs);
    const caller = { actor: `job:${name}`, commandId: cause.runId };
    try {
      const { sequence } = await this.runs.request(request, caller);
      await this.jobs.reaches(sequence);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      await this.skip(entry, cause.runId, dueAtMs, 0, `${cause.trigger}: ${error.message}`);
    }
  }

  /** Starts a run because somebody asks for it; what is in the way is told. @throws as `request` */
  async startFor(entry: JobEntry, cause: Cause, actor: string): Promise<Accepted> {
    const notBeforeMs = beginsAtMs(entry, this.clock.nowMs()) ?? 0;
    const request = requestOfJob(entry, cause, notBeforeMs);
    return this.runs.request(request, { actor, commandId: cause.runId });
  }

  /** Records that an occurrence, and all until then, did not begin. Harmless to repeat. */
  async skip(
    { name, version }: JobEntry,
    occurrenceId: string,
    dueAtMs: number,
    untilMs: number,
    reason: string,
  ): Promise<void> {
    const skipped: Skipped = {
      ...{ job: name, jobVersion: version, reason },
      ...{ dueAtMs: BigInt(dueAtMs), untilMs: BigInt(untilMs) },
    };
    const context: EventContext = {
      ...{ actor: `job:${name}`, correlationId: occurrenceId },
      causationId: `skip/${occurrenceId}`,
    };
    const command = { type: 'skip', skipped } as const;
    const nowMs = this.clock.nowMs();
    const events = await execute(this.log, jobAggregate, name, command, context, nowMs);
    await this.jobs.reaches(events.at(-1)?.sequence ?? 0);
    this.logger.info('a run of a job is left out', { job: name, reason });
  }
}
