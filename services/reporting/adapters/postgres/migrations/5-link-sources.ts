import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What came over a link from each source: name -> bytes. */
export class LinkSources1780000000005 implements MigrationInterface {
  readonly name = 'LinkSources1780000000005';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table run_link add column sources jsonb not null default '{}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table run_link drop column sources');
  }
}
