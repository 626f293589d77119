import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Signed heads of the hash chain. */
export class AuditCheckpoints1780000000004 implements MigrationInterface {
  readonly name = 'AuditCheckpoints1780000000004';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table audit_checkpoint (sequence bigint primary key, hash bytea not null,
        signed_at_ms bigint not null, signature bytea not null, public_key bytea not null);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table audit_checkpoint');
  }
}
