import { create } from '@bufbuild/protobuf';
import {
  type AuditedRun,
  AuditedRunSchema,
  type RecordedEvent,
  TimelineEntrySchema,
} from '#libs/contracts/index.js';
import { changesOf } from '../read-models/projection.js';
import { runDetail } from '../read-models/views.js';
import { MemoryTables } from './memory-tables.js';

/** Rebuilds a run from its events alone; `undefined` when there are none. */
export function auditedRun(events: readonly RecordedEvent[]): AuditedRun | undefined {
  const tables = new MemoryTables();
  for (const change of events.flatMap(changesOf)) tables.apply(change);
  const [run] = tables.rows('run');
  if (!run) return undefined;
  const nodes = tables
    .rows('run_node')
    .sort((a, b) => compare(a.segment, b.segment) || compare(a.node, b.node));
  return create(AuditedRunSchema, {
    run: runDetail({
      run,
      nodes,
      assignments: tables.rows('assignment').sort((a, b) => a.sequence - b.sequence),
      links: tables.rows('run_link'),
      segments: tables.rows('run_segment'),
    }),
    timeline: timelineOf(events),
  });
}

function timelineOf(events: readonly RecordedEvent[]) {
  const byId = new Map(events.map((event) => [event.id, event]));
  const startMs = events[0]?.timeMs ?? 0;
  return events.map(({ sequence, timeMs, type, aggregate, context }) => {
    const cause = byId.get(context.causationId);
    return create(TimelineEntrySchema, {
      sequence: BigInt(sequence),
      time: new Date(timeMs).toISOString(),
      type,
      aggregate: `${aggregate.type} ${aggregate.id}`,
      actor: context.actor,
      cause: cause ? `${cause.type} (${cause.sequence})` : `command ${context.causationId}`,
      afterMs: timeMs - startMs,
      reason: context.reason ?? '',
    });
  });
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
