import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Clock } from '#libs/clock/clock.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';
import { CLOCK, EVENT_LOG, LOGGER } from '#libs/nest-jetstream/tokens.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { SchedulerController } from './adapters/scheduler.controller.js';
import { Scheduler } from './app/scheduler.js';
import { Tending } from './app/tending.js';
import { schedulerConfig } from './config.js';
import { emptyFleet, evolveFleet, type Fleet, fleetAggregates } from './domain/fleet.js';

const FLEET = Symbol('FLEET');

@Module({
  controllers: [SchedulerController],
  providers: [
    {
      provide: FLEET,
      inject: [EVENT_LOG],
      useFactory: (log: EventLog) =>
        LogView.start<Fleet>(log, {
          aggregateTypes: fleetAggregates,
          initial: emptyFleet,
          evolve: evolveFleet,
        }),
    },
    {
      provide: Scheduler,
      inject: [EVENT_LOG, FLEET, CLOCK],
      useFactory: (log: EventLog, fleet: LogView<Fleet>, clock: Clock) =>
        new Scheduler(log, fleet, clock, schedulerConfig(process.env)),
    },
    {
      provide: Tending,
      inject: [FLEET, Scheduler, CLOCK, LOGGER],
      useFactory: (fleet: LogView<Fleet>, scheduler: Scheduler, clock: Clock, logger: Logger) => {
        const { repairDelayMs } = schedulerConfig(process.env);
        return new Tending(fleet, scheduler, clock, repairDelayMs, logger);
      },
    },
  ],
})
export class SchedulerModule implements OnApplicationShutdown {
  constructor(
    @Inject(FLEET) private readonly fleet: LogView<Fleet>,
    @Inject(Tending) private readonly tending: Tending,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.tending.close();
    await this.fleet.close();
  }
}
