import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import type { Clock } from '#libs/clock/clock.js';
import { postgresLeases } from '#libs/event-log/adapters/postgres-leases.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { type RunningProjection, runProjection } from '#libs/event-log/projection-runner.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { eventCopy } from './event-copy.js';
import { readModels } from './projections.js';

/** Keeps the read models and the second copy of the log up to date. */
export class ReadModelProjection {
  readonly readModels: RunningProjection;
  readonly eventCopy: RunningProjection;

  constructor(log: EventLog, clock: Clock, database: DataSource, auditKey: SigningKey) {
    const logger = new Logger(ReadModelProjection.name);
    const options = {
      log,
      clock,
      leases: postgresLeases<EntityManager>(database),
      transaction: (work: (manager: EntityManager) => Promise<void>) => database.transaction(work),
      holder: randomUUID(),
      onError: (error: unknown) => logger.warn(`projection starts again: ${error}`),
    };
    this.readModels = runProjection(readModels, options);
    this.eventCopy = runProjection(eventCopy(auditKey, clock), options);
  }

  async close(): Promise<void> {
    await Promise.all([this.readModels.close(), this.eventCopy.close()]);
  }
}
