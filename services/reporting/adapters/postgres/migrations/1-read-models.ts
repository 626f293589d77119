import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The read models. Columns that events of different aggregates set all have defaults. */
export class ReadModels1780000000001 implements MigrationInterface {
  readonly name = 'ReadModels1780000000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table site (name text primary key, staging text not null default '',
        filters text[] not null default '{}', live_sequence bigint not null default 0,
        live_tree_digest text not null default '', created_at timestamptz not null default now());
      create table content_group (name text primary key, site text not null default '',
        kind text not null default 'all', nodes text[] not null default '{}',
        selector text not null default '');
      create table node (name text primary key, segment text not null default '',
        registered boolean not null default false, online boolean not null default false,
        address text not null default '', agent_type text not null default '',
        labels jsonb not null default '{}', live jsonb not null default '{}');
      create index node_segment on node (segment);
      create table segment (name text primary key, leader text not null default '',
        term bigint not null default 0, members integer not null default 0,
        changed_at timestamptz not null default now(), reason text not null default '');
      create table run (run_id text primary key, site text not null default '',
        type text not null default '', dry_run boolean not null default false,
        actor text not null default '', requested_at timestamptz, started_at timestamptz,
        outcome text, reason text not null default '', duration_ms integer not null default 0,
        nothing_changed boolean not null default false, changes jsonb);
      create index run_requested on run (requested_at desc);
      create table run_node (run_id text, node text, segment text not null default '',
        status text not null default 'pending', error text not null default '',
        switched_at timestamptz, primary key (run_id, node));
      create table run_link (run_id text, assignment_id text, segment text,
        source text not null default '', bytes bigint not null default 0,
        duration_ms integer not null default 0, primary key (run_id, assignment_id, segment));
      create table run_segment (run_id text, segment text, assignment_id text,
        multicast bigint not null default 0, repair bigint not null default 0,
        unicast bigint not null default 0, primary key (run_id, segment, assignment_id));
      create table assignment (id text primary key, run_id text not null, site text not null,
        sequence bigint not null, type text not null, bytes bigint not null,
        digest text not null, built_at timestamptz not null);
      create index assignment_run on assignment (run_id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table assignment, run_segment, run_link, run_node, run, segment, node,
      content_group, site`);
  }
}
