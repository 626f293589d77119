import { join } from 'node:path';
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { Clock } from '#libs/clock/clock.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import type { ServiceConfig } from '#libs/nest-jetstream/service.js';
import { CLOCK, EVENT_LOG, SERVICE_CONFIG } from '#libs/nest-jetstream/tokens.js';
import { AuditController } from './adapters/nats/audit.controller.js';
import { QueriesController } from './adapters/nats/queries.controller.js';
import { ReportsConsumer } from './adapters/nats/reports.consumer.js';
import { RunEventsConsumer } from './adapters/nats/run-events.consumer.js';
import { openDatabase } from './adapters/postgres/database.js';
import { ReadModelQueries } from './adapters/postgres/read-model-queries.js';
import { ReadModelProjection } from './adapters/postgres/running-projections.js';
import { AssignmentReports } from './app/assignment-reports.js';
import { RunCoordinator } from './app/run-coordinator.js';
import { AUDIT_KEY, DATABASE } from './tokens.js';

@Module({
  controllers: [RunEventsConsumer, ReportsConsumer, QueriesController, AuditController],
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
      provide: ReadModelQueries,
      inject: [DATABASE],
      useFactory: (database: DataSource) => new ReadModelQueries(database),
    },
    {
      provide: ReadModelProjection,
      inject: [EVENT_LOG, CLOCK, DATABASE, AUDIT_KEY],
      useFactory: (log: EventLog, clock: Clock, database: DataSource, key: SigningKey) =>
        new ReadModelProjection(log, clock, database, key),
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
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.coordinator.close();
    await this.reports.close();
    await this.projection.close();
    await this.database.destroy();
  }
}
