import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The second copy of the log: each row's hash covers the row before it. */
export class EventCopy1780000000002 implements MigrationInterface {
  readonly name = 'EventCopy1780000000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table event_copy (sequence bigint primary key, id text not null, type text not null,
        aggregate text not null, correlation text not null, body text not null,
        hash bytea not null);
      create index event_copy_correlation on event_copy (correlation);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table event_copy');
  }
}
