import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import type { Clock } from '#libs/clock/clock.js';
import { postgresLeases } from '#libs/event-log/adapters/postgres-leases.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { type RunningProjection, runProjection } from '#libs/event-log/projection-runner.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { eventCopy } from './event-copy.js';
import { parkedEvents } from './parked-events.js';
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
      transaction: inTransaction(database),
      holder: randomUUID(),
      isPassing: isDatabaseAway,
      onError: (error: unknown) => logger.warn(`projection starts again: ${error}`),
    };
    this.readModels = runProjection(readModels, { ...options, parking: parkedEvents });
    this.eventCopy = runProjection(eventCopy(auditKey, clock), options);
  }

  /** Why the projections do not do their work at present. */
  problem(): string | undefined {
    return this.readModels.problem() ?? this.eventCopy.problem();
  }

  async close(): Promise<void> {
    await Promise.all([this.readModels.close(), this.eventCopy.close()]);
  }
}

/**
 * What a projection writes may be lost with its position when PostgreSQL crashes: it is written
 * again from the log. So its commits need not wait for the disk.
 */
function inTransaction(database: DataSource) {
  return (work: (manager: EntityManager) => Promise<void>) =>
    database.transaction(async (manager) => {
      await manager.query('set local synchronous_commit to off');
      await work(manager);
    });
}

/** Errors of the connection and of the server's state; those of a statement name the event. */
function isDatabaseAway(error: unknown): boolean {
  const { code } = (error as { code?: unknown } | null) ?? {};
  if (typeof code !== 'string') return !(error instanceof Error) || /onnection/.test(error.message);
  return !/^(22|23|21)/.test(code);
}
