import { DataSource } from 'typeorm';
import { entities } from './entities.js';
import { ReadModels1780000000001 } from './migrations/1-read-models.js';
import { EventCopy1780000000002 } from './migrations/2-event-copy.js';
import { PartitionLeases1780000000003 } from './migrations/3-partition-leases.js';
import { AuditCheckpoints1780000000004 } from './migrations/4-audit-checkpoints.js';
import { LinkSources1780000000005 } from './migrations/5-link-sources.js';

const poolSize = 6;

/** Connects and brings the schema up to date. */
export async function openDatabase(url: string): Promise<DataSource> {
  const database = new DataSource({
    type: 'postgres',
    url,
    entities,
    migrations: [
      ReadModels1780000000001,
      EventCopy1780000000002,
      PartitionLeases1780000000003,
      AuditCheckpoints1780000000004,
      LinkSources1780000000005,
    ],
    migrationsTransactionMode: 'each',
    poolSize,
  });
  await database.initialize();
  await database.runMigrations();
  return database;
}
