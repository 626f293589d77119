import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import {
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { signNotification } from '#libs/assignment/signed-notification.js';
import type { Clock } from '#libs/clock/clock.js';
import type { Notification } from '#libs/contracts/index.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { LogView } from '#libs/event-log/log-view.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import type { ServiceConfig } from '#libs/nest-jetstream/service-config.js';
import { CLOCK, EVENT_LOG, LOGGER, NATS, SERVICE_CONFIG } from '#libs/nest-jetstream/tokens.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { FleetConnections } from './adapters/fleet-connections.js';
import { httpsLeaders } from './adapters/https-leaders.js';
import { natsLeaders } from './adapters/nats-leaders.js';
import { TreePlannerController } from './adapters/tree-planner.controller.js';
import { Administration } from './app/administration.js';
import { Distributions } from './app/distributions.js';
import { EnrolmentService } from './app/enrolment.js';
import { firstAnswering } from './app/first-answering.js';
import { HandOut } from './app/hand-out.js';
import { Reports } from './app/reports.js';
import { defaultHandOutConfig, originsOf } from './config.js';
import {
  emptyPlannerView,
  evolvePlannerView,
  type PlannerView,
  plannerAggregates,
} from './domain/planner-view.js';

const PLANNER_VIEW = Symbol('PLANNER_VIEW');
type View = LogView<PlannerView>;

@Module({
  controllers: [TreePlannerController],
  providers: [
    {
      provide: PLANNER_VIEW,
      inject: [EVENT_LOG],
      useFactory: (log: EventLog): Promise<View> =>
        LogView.start(log, {
          aggregateTypes: plannerAggregates,
          initial: emptyPlannerView,
          evolve: evolvePlannerView,
        }),
    },
    {
      provide: Distributions,
      inject: [EVENT_LOG, PLANNER_VIEW, CLOCK],
      useFactory: (log: EventLog, view: View, clock: Clock) => new Distributions(log, view, clock),
    },
    {
      provide: FleetConnections,
      inject: [SERVICE_CONFIG, CLOCK],
      useFactory: ({ dataDir }: ServiceConfig, clock: Clock) =>
        FleetConnections.open(controlKeysIn(join(dataDir, 'keys')), clock),
    },
    {
      provide: HandOut,
      inject: [
        ...[PLANNER_VIEW, Distributions, NATS, CLOCK, LOGGER],
        ...[SERVICE_CONFIG, FleetConnections],
      ],
      useFactory: async (
        view: View,
        distributions: Distributions,
        nats: NatsConnection,
        clock: Clock,
        logger: Logger,
        { dataDir }: ServiceConfig,
        fleet: FleetConnections,
      ) => {
        const keys = controlKeysIn(join(dataDir, 'keys'));
        const signing = await keys.assignmentKeys();
        const sign = (notification: Notification) => signNotification(notification, signing);
        const https = httpsLeaders(fleet.http, sign);
        const leaders = firstAnswering([natsLeaders(nats), https]);
        const origins = originsOf(process.env);
        const config = defaultHandOutConfig;
        return new HandOut(view, distributions, leaders, clock, logger, origins, config, sign);
      },
    },
    {
      provide: Reports,
      inject: [EVENT_LOG, PLANNER_VIEW, Distributions, HandOut, CLOCK, LOGGER],
      useFactory: (
        log: EventLog,
        view: View,
        distributions: Distributions,
        handOut: HandOut,
        clock: Clock,
        logger: Logger,
      ) => new Reports(log, view, distributions, handOut, clock, logger),
    },
    {
      provide: Administration,
      inject: [EVENT_LOG, PLANNER_VIEW, CLOCK],
      useFactory: (log: EventLog, view: View, clock: Clock) =>
        new Administration(log, view, clock, originsOf(process.env), defaultHandOutConfig),
    },
    {
      provide: EnrolmentService,
      inject: [EVENT_LOG, PLANNER_VIEW, CLOCK],
      useFactory: (log: EventLog, view: View, clock: Clock) =>
        new EnrolmentService(log, view, clock),
    },
  ],
})
export class TreePlannerModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(PLANNER_VIEW) private readonly view: View,
    @Inject(HandOut) private readonly handOut: HandOut,
  ) {}

  /** Leaders of deliveries that were open when the service ended are told again. */
  onApplicationBootstrap(): void {
    this.handOut.wake();
    this.handOut.keepLooking();
  }

  async onApplicationShutdown(): Promise<void> {
    this.handOut.close();
    await this.view.close();
  }
}
