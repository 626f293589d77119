import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The policies of sites. */
export class SitePolicies1780000000031 implements MigrationInterface {
  readonly name = 'SitePolicies1780000000031';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table site add column policy jsonb');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table site drop column policy');
  }
}
