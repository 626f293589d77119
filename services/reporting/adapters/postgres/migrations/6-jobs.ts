import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Of runs: their job, what they wait for, and where a rollout is; of groups: their windows. */
export class Jobs1780000000006 implements MigrationInterface {
  readonly name = 'Jobs1780000000006';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table run add column job text not null default '',
        add column job_version bigint not null default 0,
        add column trigger text not null default '',
        add column waiting text not null default '',
        add column waiting_reason text not null default '',
        add column blocking_run_id text not null default '',
        add column rollout_run_id text not null default '',
        add column wave_text text not null default '';
      alter table content_group add column maintenance jsonb;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table run drop column job, drop column job_version, drop column trigger,
        drop column waiting, drop column waiting_reason, drop column blocking_run_id,
        drop column rollout_run_id, drop column wave_text;
      alter table content_group drop column maintenance;
    `);
  }
}
