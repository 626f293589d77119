import { create } from '@bufbuild/protobuf';
import {
  type AuditedState,
  AuditedStateSchema,
  type AuditedTree,
  AuditedTreeSchema,
  type RecordedEvent,
} from '#libs/contracts/index.js';
import { changesOf } from '../read-models/projection.js';
import {
  groupView,
  isEnrolled,
  nodeView,
  runView,
  segmentView,
  siteView,
} from '../read-models/views.js';
import { MemoryTables } from './memory-tables.js';

/** Everything as it was after the events: sites, groups, nodes, segments and runs. */
export async function auditedState(events: AsyncIterable<RecordedEvent>): Promise<AuditedState> {
  const tables = new MemoryTables();
  let last: RecordedEvent | undefined;
  for await (const event of events) {
    for (const change of changesOf(event)) tables.apply(change);
    last = event;
  }
  const leaders = new Set(tables.rows('segment').map(({ leader }) => leader));
  const runNodes = tables.rows('run_node');
  const assignments = tables.rows('assignment');
  return create(AuditedStateSchema, {
    sequence: BigInt(last?.sequence ?? 0),
    time: last ? new Date(last.timeMs).toISOString() : '',
    sites: { sites: tables.rows('site').map(siteView) },
    groups: { groups: tables.rows('content_group').map(groupView) },
    nodes: {
      nodes: tables
        .rows('node')
        .filter(isEnrolled)
        .map((row) => nodeView(row, leaders)),
    },
    segments: { segments: tables.rows('segment').map(segmentView) },
    runs: {
      runs: tables.rows('run').map((run) =>
        runView(
          run,
          runNodes.filter(({ run_id }) => run_id === run.run_id),
          assignments.filter(({ run_id }) => run_id === run.run_id),
        ),
      ),
    },
  });
}

/** Which tree of a site was live after the events. */
export async function auditedTree(
  site: string,
  events: AsyncIterable<RecordedEvent>,
): Promise<AuditedTree> {
  let tree = create(AuditedTreeSchema, { site });
  for await (const event of events) {
    if (event.type !== 'ShadowMoved' || event.data.site !== site) continue;
    const { sequence, treeDigest, manifestDigest } = event.data;
    tree = create(AuditedTreeSchema, {
      site,
      sequence,
      since: new Date(event.timeMs).toISOString(),
      treeDigest: Buffer.from(treeDigest).toString('hex'),
      manifestDigest: Buffer.from(manifestDigest).toString('hex'),
    });
  }
  return tree;
}
