import type { NatsConnection } from '@nats-io/nats-core';
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Clock } from '#libs/clock/clock.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';
import { CLOCK, EVENT_LOG, LOGGER, NATS } from '#libs/nest-jetstream/tokens.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { JobsController } from './adapters/jobs.controller.js';
import { natsReachability } from './adapters/nats-reachability.js';
import { RunsController } from './adapters/runs.controller.js';
import { SchedulerController } from './adapters/scheduler.controller.js';
import { Claims } from './app/claims.js';
import { Endings } from './app/endings.js';
import { Rollouts } from './app/rollouts.js';
import { FactsGatherer } from './app/run-facts.js';
import { Runs } from './app/runs.js';
import { Scheduler } from './app/scheduler.js';
import { SoakWatch } from './app/soak-watch.js';
import { Tending } from './app/tending.js';
import { WaitingRuns } from './app/waiting-runs.js';
import { schedulerConfig } from './config.js';
import { evolveFleet, type Fleet, fleetAggregates, newFleet } from './domain/fleet.js';
import { JobsAtWork, jobProviders } from './job-providers.module.js';
import { FLEET } from './tokens.js';

@Module({
  controllers: [SchedulerController, RunsController, JobsController],
  providers: [
    {
      provide: FLEET,
      inject: [EVENT_LOG],
      useFactory: (log: EventLog) =>
        LogView.start<Fleet>(log, {
          aggregateTypes: fleetAggregates,
          initial: newFleet(),
          evolve: evolveFleet,
        }),
    },
    {
      provide: Scheduler,
      inject: [EVENT_LOG, FLEET, CLOCK],
      useFactory: (log: EventLog, fleet: LogView<Fleet>, clock: Clock) =>
        new Scheduler(log, fleet, clock),
    },
    { provide: Claims, inject: [EVENT_LOG], useFactory: (log: EventLog) => new Claims(log) },
    {
      provide: Endings,
      inject: [EVENT_LOG, CLOCK, Claims],
      useFactory: (log: EventLog, clock: Clock, claims: Claims) => new Endings(log, clock, claims),
    },
    {
      provide: Runs,
      inject: [EVENT_LOG, FLEET, CLOCK, Claims, Endings, NATS],
      useFactory: (
        log: EventLog,
        fleet: LogView<Fleet>,
        clock: Clock,
        claims: Claims,
        endings: Endings,
        nats: NatsConnection,
      ) => {
        const config = schedulerConfig(process.env);
        const facts = new FactsGatherer(log, fleet, clock, config, natsReachability(nats));
        return new Runs(log, fleet, clock, claims, facts, endings, config.budget);
      },
    },
    {
      provide: Rollouts,
      inject: [EVENT_LOG, FLEET, Runs, Endings, NATS, CLOCK, LOGGER],
      useFactory: (
        log: EventLog,
        fleet: LogView<Fleet>,
        runs: Runs,
        endings: Endings,
        nats: NatsConnection,
        clock: Clock,
        logger: Logger,
      ) => {
        const watch = new SoakWatch(natsReachability(nats), clock);
        return new Rollouts(log, fleet, runs, endings, watch, clock, logger);
      },
    },
    {
      provide: WaitingRuns,
      inject: [FLEET, Runs, Endings, Rollouts, CLOCK, LOGGER],
      useFactory: (
        fleet: LogView<Fleet>,
        runs: Runs,
        endings: Endings,
        rollouts: Rollouts,
        clock: Clock,
        logger: Logger,
      ) => new WaitingRuns(fleet, runs, endings, rollouts, clock, logger),
    },
    {
      provide: Tending,
      inject: [FLEET, Runs, CLOCK, LOGGER],
      useFactory: (fleet: LogView<Fleet>, runs: Runs, clock: Clock, logger: Logger) => {
        const { repairDelayMs } = schedulerConfig(process.env);
        return new Tending(fleet, runs, clock, repairDelayMs, logger);
      },
    },
    ...jobProviders,
  ],
})
export class SchedulerModule implements OnApplicationShutdown {
  constructor(
    @Inject(FLEET) private readonly fleet: LogView<Fleet>,
    @Inject(Tending) private readonly tending: Tending,
    @Inject(WaitingRuns) private readonly waiting: WaitingRuns,
    @Inject(JobsAtWork) private readonly jobs: JobsAtWork,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.tending.close();
    this.waiting.close();
    await this.jobs.close();
    await this.fleet.close();
  }
}
