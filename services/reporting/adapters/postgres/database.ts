import { DataSource } from 'typeorm';
import { entities } from './entities.js';
import { ReadModels1780000000001 } from './migrations/1-read-models.js';
import { EventCopy1780000000002 } from './migrations/2-event-copy.js';
import { PartitionLeases1780000000003 } from './migrations/3-partition-leases.js';
import { AuditCheckpoints1780000000004 } from './migrations/4-audit-checkpoints.js';
import { LinkSources1780000000005 } from './migrations/5-link-sources.js';
import { Jobs1780000000006 } from './migrations/6-jobs.js';
import { SharedProjections1780000000020 } from './migrations/20-shared-projections.js';
import { SegmentPlaces1780000000030 } from './migrations/30-segment-places.js';
import { SitePolicies1780000000031 } from './migrations/31-site-policies.js';

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
      Jobs1780000000006,
      SharedProjections1780000000020,
      SegmentPlaces1780000000030,
      SitePolicies1780000000031,
    ],
    migrationsTransactionMode: 'each',
    poolSize,
  });
  await database.initialize();
  await database.runMigrations();
  return database;
}

/** Whether PostgreSQL answers. */
export function databaseCheck(database: DataSource): () => Promise<string | undefined> {
  return async () => {
    try {
      await database.query('select 1');
      return undefined;
    } catch (error) {
      return `PostgreSQL does not answer (${(error as Error).message})`;
    }
  };
}
