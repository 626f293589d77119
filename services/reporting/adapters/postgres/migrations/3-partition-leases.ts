import type { MigrationInterface, QueryRunner } from 'typeorm';
import { leasesTable } from '#libs/event-log/adapters/postgres-leases.js';

/** Who projects which partition, and how far. */
export class PartitionLeases1780000000003 implements MigrationInterface {
  readonly name = 'PartitionLeases1780000000003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(leasesTable);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table partition_lease');
  }
}
