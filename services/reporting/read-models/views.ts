import { create, fromJson, type JsonObject } from '@bufbuild/protobuf';
import {
  AssignmentViewSchema,
  ChangeSummarySchema,
  GroupViewSchema,
  MaintenanceWindowsSchema,
  NodeViewSchema,
  RunDetailSchema,
  RunLinkSchema,
  RunNodeSchema,
  RunViewSchema,
  SegmentViewSchema,
  SitePolicySchema,
  SiteViewSchema,
} from '#libs/contracts/index.js';
import type {
  AssignmentRow,
  GroupRow,
  NodeRow,
  RunLinkRow,
  RunNodeRow,
  RunRow,
  RunSegmentRow,
  SegmentRow,
  SiteRow,
} from '../adapters/postgres/entities.js';

/** Everything that the detail of one run is made of. */
export interface RunRows {
  readonly run: RunRow;
  readonly nodes: readonly RunNodeRow[];
  readonly assignments: readonly AssignmentRow[];
  readonly links: readonly RunLinkRow[];
  readonly segments: readonly RunSegmentRow[];
}

export function siteView(row: SiteRow) {
  return create(SiteViewSchema, {
    name: row.name,
    staging: row.staging,
    filters: row.filters,
    liveSequence: BigInt(row.live_sequence),
    liveTreeDigest: row.live_tree_digest,
    createdAt: row.created_at.toISOString(),
    ...(row.policy ? { policy: fromJson(SitePolicySchema, row.policy as JsonObject) } : {}),
  });
}

export function groupView(row: GroupRow) {
  const { maintenance, ...fields } = row;
  return create(GroupViewSchema, {
    ...fields,
    ...(maintenance
      ? { maintenance: fromJson(MaintenanceWindowsSchema, maintenance as JsonObject) }
      : {}),
  });
}

/** Servers that were removed, and those that only a registration tells of, are in no segment. */
export function isEnrolled({ segment }: NodeRow): boolean {
  return segment !== '';
}

export function nodeView(row: NodeRow, leaders: ReadonlySet<string>) {
  return create(NodeViewSchema, {
    name: row.name,
    segment: row.segment,
    status: row.online ? 'online' : row.registered ? 'offline' : 'enrolled',
    leader: row.online && leaders.has(row.name),
    address: row.address,
    agentType: row.agent_type,
    labels: row.labels,
    live: row.live,
  });
}

export function segmentView(row: SegmentRow) {
  return create(SegmentViewSchema, {
    name: row.name,
    leader: row.leader,
    term: BigInt(row.term),
    members: row.members,
    changedAt: row.changed_at.toISOString(),
    reason: row.reason,
    displayName: row.display_name,
    location: row.location,
    region: row.region,
  });
}

export function assignmentView(row: AssignmentRow) {
  return create(AssignmentViewSchema, {
    id: row.id,
    runId: row.run_id,
    site: row.site,
    sequence: BigInt(row.sequence),
    type: row.type,
    bytes: row.bytes,
    digest: row.digest,
    builtAt: row.built_at.toISOString(),
  });
}

/** `phase` says what a running run is doing. */
export function runView(
  run: RunRow,
  nodes: readonly RunNodeRow[],
  assignments: readonly AssignmentRow[],
) {
  const count = (...statuses: string[]) =>
    nodes.filter(({ status }) => statuses.includes(status)).length;
  const status = run.outcome ?? (run.started_at ? 'running' : run.waiting || 'queued');
  const waits = status === 'queued' || status === 'deferred';
  return create(RunViewSchema, {
    runId: run.run_id,
    site: run.site,
    type: run.type,
    status,
    phase: status === 'running' ? run.wave_text || phaseOf(run, assignments) : '',
    reason: waits ? run.waiting_reason : run.reason,
    requestedAt: run.requested_at?.toISOString() ?? '',
    durationMs: run.duration_ms,
    nodesTotal: nodes.length,
    nodesPrepared: count('prepared', 'switched'),
    nodesSwitched: count('switched'),
    nodesFailed: count('failed', 'missing'),
    actor: run.actor,
    nothingChanged: run.nothing_changed,
    dryRun: run.dry_run,
    job: run.job,
    jobVersion: BigInt(run.job_version),
    trigger: run.trigger,
    blockingRunId: waits ? run.blocking_run_id : '',
    rolloutRunId: run.rollout_run_id,
  });
}

export function runDetail({ run, nodes, assignments, links, segments }: RunRows) {
  const sum = (column: 'multicast' | 'repair' | 'unicast') =>
    segments.reduce((total, row) => total + row[column], 0);
  const changedBytes = run.changes ? create(ChangeSummarySchema, run.changes).changedBytes : 0;
  const bySegment = linksBySegment(links, assignments, changedBytes);
  return create(RunDetailSchema, {
    run: runView(run, nodes, assignments),
    ...(run.changes ? { changes: create(ChangeSummarySchema, run.changes) } : {}),
    assignments: assignments.map(assignmentView),
    nodes: nodes.map((row) =>
      create(RunNodeSchema, {
        node: row.node,
        segment: row.segment,
        status: run.nothing_changed && row.status === 'pending' ? 'unchanged' : row.status,
        error: row.error,
        switchedAt: row.switched_at?.toISOString() ?? '',
      }),
    ),
    bytes: {
      wan: links.reduce((total, { bytes }) => total + bytes, 0),
      multicast: sum('multicast'),
      repair: sum('repair'),
      unicast: sum('unicast'),
      saved: bySegment.reduce((total, { saved }) => total + saved, 0),
    },
    links: bySegment,
  });
}

function phaseOf(run: RunRow, assignments: readonly AssignmentRow[]): string {
  if (!run.changes) return 'scanning';
  if (assignments.length === 0) return 'building';
  return assignments.some(({ type }) => type === 'switch') ? 'switching' : 'preparing';
}

/**
 * One row per link into a segment: all assignments that came over it together. A run may have
 * assignments for other segments, which have another base.
 */
function linksBySegment(
  links: readonly RunLinkRow[],
  assignments: readonly AssignmentRow[],
  changedBytes: number,
) {
  const sizes = new Map(assignments.map(({ id, bytes }) => [id, bytes]));
  return [...new Set(links.map(({ segment }) => segment))].sort().map((segment) => {
    const own = links.filter((link) => link.segment === segment);
    const bytes = own.reduce((sum, link) => sum + link.bytes, 0);
    const oneCopy = own.reduce((sum, link) => sum + (sizes.get(link.assignment_id) ?? 0), 0);
    const copiesPermille = Math.round((bytes * 1000) / Math.max(1, oneCopy));
    return create(RunLinkSchema, {
      segment,
      source: own[0]?.source ?? '',
      bytes,
      copiesPermille,
      durationMs: own.reduce((sum, link) => sum + link.duration_ms, 0),
      sources: bytesBySource(own),
      excess: copiesPermille > mostCopiesPermille,
      saved: Math.max(0, changedBytes - bytes),
    });
  });
}

/** Largest first. A link that says nothing of its sources had one. */
function bytesBySource(links: readonly RunLinkRow[]) {
  const total = new Map<string, number>();
  for (const { source, bytes, sources } of links) {
    const known = Object.entries(sources);
    for (const [name, count] of known.length > 0 ? known : [[source, bytes] as const]) {
      total.set(name, (total.get(name) ?? 0) + count);
    }
  }
  return [...total].sort((a, b) => b[1] - a[1]).map(([source, bytes]) => ({ source, bytes }));
}

/** A link that carries more than this of what is new was used wastefully. */
const mostCopiesPermille = 1_050;
