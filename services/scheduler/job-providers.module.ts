import type { NatsConnection } from '@nats-io/nats-core';
import type { Provider } from '@nestjs/common';
import type { Clock } from '#libs/clock/clock.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';
import type { OwnLanes } from '#libs/nest-jetstream/jetstream-strategy.js';
import { CLOCK, EVENT_LOG, LOGGER, NATS, OWN_LANES } from '#libs/nest-jetstream/tokens.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { hearOutsideEvents } from './adapters/outside-events.js';
import { natsLookThere, watchStagingOf } from './adapters/staging-watch.js';
import { AfterRuns } from './app/after-runs.js';
import { JobStarts } from './app/job-starts.js';
import { JobTimes } from './app/job-times.js';
import { Jobs } from './app/jobs.js';
import { Runs } from './app/runs.js';
import { StagingJobs } from './app/staging-jobs.js';
import type { Fleet } from './domain/fleet.js';
import { evolveJobs, type JobsView, jobsAggregates, newJobsView } from './domain/jobs-view.js';
import { FLEET, JOBS } from './tokens.js';

/** What makes jobs run by themselves, for the module to end with itself. */
export class JobsAtWork {
  constructor(private readonly parts: readonly { close(): unknown }[]) {}

  async close(): Promise<void> {
    for (const part of this.parts) await part.close();
  }
}

/** The part of the module that is about jobs. */
export const jobProviders: Provider[] = [
  {
    provide: JOBS,
    inject: [EVENT_LOG],
    useFactory: (log: EventLog) =>
      LogView.start<JobsView>(log, {
        aggregateTypes: jobsAggregates,
        initial: newJobsView(),
        evolve: evolveJobs,
      }),
  },
  {
    provide: JobStarts,
    inject: [EVENT_LOG, JOBS, Runs, OWN_LANES, CLOCK, LOGGER],
    useFactory: (
      log: EventLog,
      jobs: LogView<JobsView>,
      runs: Runs,
      lanes: OwnLanes,
      clock: Clock,
      logger: Logger,
    ) => {
      const goesFirst = (site: string) => lanes.reads({ type: 'site', id: site });
      return new JobStarts(log, jobs, runs, goesFirst, clock, logger);
    },
  },
  {
    provide: Jobs,
    inject: [EVENT_LOG, JOBS, FLEET, JobStarts, CLOCK],
    useFactory: (
      log: EventLog,
      jobs: LogView<JobsView>,
      fleet: LogView<Fleet>,
      starts: JobStarts,
      clock: Clock,
    ) => new Jobs(log, jobs, fleet, starts, clock),
  },
  {
    provide: AfterRuns,
    inject: [EVENT_LOG, JOBS, Runs, JobStarts],
    useFactory: (log: EventLog, jobs: LogView<JobsView>, runs: Runs, starts: JobStarts) =>
      new AfterRuns(log, jobs, runs, starts),
  },
  {
    provide: JobsAtWork,
    inject: [JOBS, Jobs, JobStarts, NATS, CLOCK, LOGGER],
    useFactory: async (
      view: LogView<JobsView>,
      jobs: Jobs,
      starts: JobStarts,
      nats: NatsConnection,
      clock: Clock,
      logger: Logger,
    ) => {
      const times = new JobTimes(view, starts, clock, logger);
      const watch = watchStagingOf(natsLookThere(nats), clock);
      const staging = new StagingJobs(view, starts, watch, clock, logger);
      const outside = await hearOutsideEvents(nats, jobs, clock, logger);
      return new JobsAtWork([times, staging, { close: () => outside.stop() }, view]);
    },
  },
];
