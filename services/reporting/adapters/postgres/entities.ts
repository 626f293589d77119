import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Sizes and sequences are below 2^53, so PostgreSQL's bigint becomes a number. */
const bigint = {
  type: 'bigint' as const,
  transformer: { to: (value: number) => value, from: (value: string) => Number(value ?? 0) },
};

@Entity('site')
export class SiteRow {
  @PrimaryColumn('text') name!: string;
  @Column('text') staging!: string;
  @Column('text', { array: true }) filters!: string[];
  @Column(bigint) live_sequence!: number;
  @Column('text') live_tree_digest!: string;
  @Column('timestamptz') created_at!: Date;
  @Column('jsonb', { nullable: true }) policy!: object | null;
}

@Entity('content_group')
export class GroupRow {
  @PrimaryColumn('text') name!: string;
  @Column('text') site!: string;
  @Column('text') kind!: string;
  @Column('text', { array: true }) nodes!: string[];
  @Column('text') selector!: string;
  @Column('jsonb', { nullable: true }) maintenance!: object | null;
}

@Entity('node')
export class NodeRow {
  @PrimaryColumn('text') name!: string;
  @Column('text') segment!: string;
  @Column('boolean') registered!: boolean;
  @Column('boolean') online!: boolean;
  @Column('text') address!: string;
  @Column('text') agent_type!: string;
  @Column('jsonb') labels!: Record<string, string>;
  @Column('jsonb') live!: Record<string, string>;
}

@Entity('segment')
export class SegmentRow {
  @PrimaryColumn('text') name!: string;
  @Column('text') leader!: string;
  @Column(bigint) term!: number;
  @Column('integer') members!: number;
  @Column('timestamptz') changed_at!: Date;
  @Column('text') reason!: string;
  @Column('text') display_name!: string;
  @Column('text') location!: string;
  @Column('text') region!: string;
}

@Entity('run')
export class RunRow {
  @PrimaryColumn('text') run_id!: string;
  @Column('text') site!: string;
  @Column('text') type!: string;
  @Column('boolean') dry_run!: boolean;
  @Column('text') actor!: string;
  @Column('timestamptz', { nullable: true }) requested_at!: Date | null;
  @Column('timestamptz', { nullable: true }) started_at!: Date | null;
  @Column('text', { nullable: true }) outcome!: string | null;
  @Column('text') reason!: string;
  @Column('integer') duration_ms!: number;
  @Column('boolean') nothing_changed!: boolean;
  @Column('jsonb', { nullable: true }) changes!: Record<string, number> | null;
  @Column('text') job!: string;
  @Column(bigint) job_version!: number;
  @Column('text') trigger!: string;
  /** "queued" or "deferred": why it has not started. */
  @Column('text') waiting!: string;
  @Column('text') waiting_reason!: string;
  @Column('text') blocking_run_id!: string;
  @Column('text') rollout_run_id!: string;
  /** Where a rollout is. */
  @Column('text') wave_text!: string;
}

@Entity('run_node')
export class RunNodeRow {
  @PrimaryColumn('text') run_id!: string;
  @PrimaryColumn('text') node!: string;
  @Column('text') segment!: string;
  @Column('text') status!: string;
  @Column('text') error!: string;
  @Column('timestamptz', { nullable: true }) switched_at!: Date | null;
}

@Entity('run_link')
export class RunLinkRow {
  @PrimaryColumn('text') run_id!: string;
  @PrimaryColumn('text') assignment_id!: string;
  @PrimaryColumn('text') segment!: string;
  @Column('text') source!: string;
  @Column(bigint) bytes!: number;
  @Column('integer') duration_ms!: number;
  @Column('jsonb') sources!: Record<string, number>;
}

@Entity('run_segment')
export class RunSegmentRow {
  @PrimaryColumn('text') run_id!: string;
  @PrimaryColumn('text') segment!: string;
  @PrimaryColumn('text') assignment_id!: string;
  @Column(bigint) multicast!: number;
  @Column(bigint) repair!: number;
  @Column(bigint) unicast!: number;
}

@Entity('assignment')
export class AssignmentRow {
  @PrimaryColumn('text') id!: string;
  @Column('text') run_id!: string;
  @Column('text') site!: string;
  @Column(bigint) sequence!: number;
  @Column('text') type!: string;
  @Column(bigint) bytes!: number;
  @Column('text') digest!: string;
  @Column('timestamptz') built_at!: Date;
}

export const entities = [
  SiteRow,
  GroupRow,
  NodeRow,
  SegmentRow,
  RunRow,
  RunNodeRow,
  RunLinkRow,
  RunSegmentRow,
  AssignmentRow,
];
