import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What people call segments, and where administrators say that they are. */
export class SegmentPlaces1780000000030 implements MigrationInterface {
  readonly name = 'SegmentPlaces1780000000030';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table segment add column display_name text not null default '',
        add column location text not null default '',
        add column region text not null default '';
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table segment drop column display_name, drop column location, drop column region;
    `);
  }
}
