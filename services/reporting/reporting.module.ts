import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { Clock } from '#libs/clock/clock.js';
import { ArchiveFiles } from '#libs/event-log/adapters/archive-files.js';
import { withArchive } from '#libs/event-log/archived-log.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { Readiness } from '#libs/nest-jetstream/readiness.js';
import type { ServiceConfig } from '#libs/nest-jetstream/service.js';
import { CLOCK, EVENT_LOG, LOGGER, NATS, SERVICE_CONFIG } from '#libs/nest-jetstream/tokens.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { Archiver } from './adapters/nats/archiver.js';
import { AuditController } from './adapters/nats/audit.controller.js';
import { CdEventsConsumer } from './adapters/nats/cdevents.consumer.js';
import { OperationsController } from './adapters/nats/operations.controller.js';
import { QueriesController } from './adapters/nats/queries.controller.js';
import { ReportsConsumer } from './adapters/nats/reports.consumer.js';
import { RunEventsConsumer } from './adapters/nats/run-events.consumer.js';
import { webhookDeliveries } from './adapters/nats/webhook-deliveries.js';
import { WebhooksController } from './adapters/nats/webhooks.controller.js';
import { databaseCheck, openDatabase } from './adapters/postgres/database.js';
import { LogVerification } from './adapters/postgres/log-verification.js';
import { ReadModelQueries } from './adapters/postgres/read-model-queries.js';
import { ReadModelProjection } from './adapters/postgres/running-projections.js';
import type { ArchiveWriter } from './app/archive-runs.js';
import { ArchiveSchedule } from './app/archive-schedule.js';
import { AssignmentReports } from './app/assignment-reports.js';
import { LogWatch } from './app/log-watch.js';
import { RunCoordinator } from './app/run-coordinator.js';
import { Webhooks } from './app/webhooks.js';
import { reportingConfig } from './config.js';
import { ARCHIVE, AUDIT_KEY, DATABASE, WHOLE_LOG } from './tokens.js';

@Module({
  controllers: [
    RunEventsConsumer,
    ReportsConsumer,
    QueriesController,
    AuditController,
    OperationsController,
    WebhooksController,
    CdEventsConsumer,
  ],
  providers: [
    {
      provide: DATABASE,
      inject: [SERVICE_CONFIG],
      useFactory: ({ databaseUrl }: ServiceConfig) => openDatabase(databaseUrl ?? ''),
    },
    {
      provide: AUDIT_KEY,
      inject: [SERVICE_CONFIG],
      useFactory: ({ dataDir }: ServiceConfig) => controlKeysIn(join(dataDir, 'keys')).auditKey(),
    },
    {
      provide: ARCHIVE,
      inject: [SERVICE_CONFIG],
      useFactory: ({ dataDir }: ServiceConfig) => new ArchiveFiles(join(dataDir, 'archive')),
    },
    {
      provide: WHOLE_LOG,
      inject: [EVENT_LOG, ARCHIVE],
      useFactory: (log: EventLog, archive: ArchiveFiles) => withArchive(log, archive),
    },
    {
      provide: ReadModelQueries,
      inject: [DATABASE],
      useFactory: (database: DataSource) => new ReadModelQueries(database),
    },
    {
      provide: ReadModelProjection,
      inject: [WHOLE_LOG, CLOCK, DATABASE, AUDIT_KEY, Readiness],
      useFactory: (
        log: EventLog,
        clock: Clock,
        database: DataSource,
        key: SigningKey,
        readiness: Readiness,
      ) => {
        const projection = new ReadModelProjection(log, clock, database, key);
        readiness.add('PostgreSQL', databaseCheck(database));
        readiness.add('partitions', async () => projection.problem());
        return projection;
      },
    },
    {
      provide: LogVerification,
      inject: [WHOLE_LOG, DATABASE, AUDIT_KEY, ReadModelProjection],
      useFactory: (
        log: EventLog,
        database: DataSource,
        key: SigningKey,
        projection: ReadModelProjection,
      ) => new LogVerification(log, database, key, projection),
    },
    {
      provide: LogWatch,
      inject: [LogVerification, ReadModelProjection, NATS, CLOCK, LOGGER, Readiness],
      useFactory: watchLog,
    },
    {
      provide: Archiver,
      inject: [EVENT_LOG, ARCHIVE, ReadModelProjection, NATS, CLOCK],
      useFactory: (
        log: EventLog,
        archive: ArchiveWriter,
        { eventCopy }: ReadModelProjection,
        nats: NatsConnection,
        clock: Clock,
      ) => new Archiver(log, archive, eventCopy, nats, clock),
    },
    {
      provide: ArchiveSchedule,
      inject: [Archiver, ReadModelProjection, LogWatch, CLOCK, LOGGER],
      useFactory: archiveByTheClock,
    },
    {
      provide: Webhooks,
      inject: [EVENT_LOG, CLOCK, LOGGER, NATS, AUDIT_KEY],
      useFactory: (
        log: EventLog,
        clock: Clock,
        logger: Logger,
        nats: NatsConnection,
        key: SigningKey,
      ) =>
        Webhooks.start(log, clock, logger, ({ settings, sequence }, webhooks) =>
          webhookDeliveries(settings, sequence, webhooks, { nats, clock, logger, key }),
        ),
    },
    {
      provide: RunCoordinator,
      inject: [EVENT_LOG, CLOCK],
      useFactory: (log: EventLog, clock: Clock) => RunCoordinator.start(log, clock),
    },
    {
      provide: AssignmentReports,
      inject: [EVENT_LOG, CLOCK],
      useFactory: (log: EventLog, clock: Clock) => AssignmentReports.start(log, clock),
    },
  ],
})
export class ReportingModule implements OnApplicationShutdown {
  constructor(
    @Inject(DATABASE) private readonly database: DataSource,
    @Inject(ReadModelProjection) private readonly projection: ReadModelProjection,
    @Inject(RunCoordinator) private readonly coordinator: RunCoordinator,
    @Inject(AssignmentReports) private readonly reports: AssignmentReports,
    @Inject(Webhooks) private readonly webhooks: Webhooks,
    @Inject(LogWatch) private readonly watch: LogWatch,
    @Inject(ArchiveSchedule) private readonly schedule: ArchiveSchedule,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.schedule.close();
    this.watch.close();
    await this.coordinator.close();
    await this.reports.close();
    await this.webhooks.close();
    await this.projection.close();
    await this.database.destroy();
  }
}

/** The replica that copies the log archives it too, unless it is damaged. */
function archiveByTheClock(
  archiver: Archiver,
  { eventCopy }: ReadModelProjection,
  watch: LogWatch,
  clock: Clock,
  logger: Logger,
): ArchiveSchedule {
  return new ArchiveSchedule({
    afterDays: reportingConfig(process.env).archiveAfterDays,
    archive: async (olderThanMs) => (await archiver.pass(olderThanMs)).runs,
    mayArchive: () => eventCopy.partitions().length > 0 && watch.problem() === undefined,
    clock,
    logger,
  });
}

/** One replica, that which copies the log, also verifies it. */
function watchLog(
  log: LogVerification,
  projection: ReadModelProjection,
  nats: NatsConnection,
  clock: Clock,
  logger: Logger,
  readiness: Readiness,
): LogWatch {
  const isMine = () => projection.eventCopy.partitions().length > 0;
  const watch = new LogWatch(log, isMine, clock, logger);
  readiness.add('log', async () => watch.problem());
  void (async () => {
    for await (const { type } of nats.status()) if (type === 'reconnect') watch.lookAtHead();
  })();
  return watch;
}
