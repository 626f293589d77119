import type { MigrationInterface, QueryRunner } from 'typeorm';
import { membersTable } from '#libs/event-log/adapters/postgres-leases.js';

/** Replicas that share a projection, and the events that a projection could not apply. */
export class SharedProjections1780000000020 implements MigrationInterface {
  readonly name = 'SharedProjections1780000000020';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(membersTable);
    await runner.query(`
      create table parked_event (consumer text not null, sequence bigint not null,
        aggregate text not null, id text not null, type text not null, reason text not null,
        body text not null, parked_at timestamptz not null default now(),
        primary key (consumer, sequence));
      create index parked_event_aggregate on parked_event (consumer, aggregate);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table parked_event, partition_member');
  }
}
