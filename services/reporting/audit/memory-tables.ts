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
import type { Change, Row, Table, Value } from '../read-models/change.js';

/** The rows of each table, as the database gives them. */
export interface TableRows {
  site: SiteRow;
  content_group: GroupRow;
  node: NodeRow;
  segment: SegmentRow;
  run: RunRow;
  run_node: RunNodeRow;
  run_link: RunLinkRow;
  run_segment: RunSegmentRow;
  assignment: AssignmentRow;
}

type MutableRow = Record<string, Value | Date | undefined>;

/** The read models in memory, so that an audit can rebuild them up to any place in the log. */
export class MemoryTables {
  private readonly tables = new Map<Table, Map<string, MutableRow>>();

  apply(change: Change): void {
    const rows = this.table(change.table);
    switch (change.kind) {
      case 'upsert': {
        const row = rows.get(keyOf(change.key)) ?? newRow(change.table, change.key);
        rows.set(keyOf(change.key), Object.assign(row, values(change.set)));
        return;
      }
      case 'insert':
        if (rows.has(keyOf(change.key))) return;
        rows.set(keyOf(change.key), Object.assign(newRow(change.table, change.key), change.set));
        return;
      case 'delete':
        rows.delete(keyOf(change.key));
        return;
      case 'update-others': {
        const { scope, except, set } = change;
        for (const row of rows.values()) {
          if (!matches(row, scope) || except.values.includes(String(row[except.column]))) continue;
          Object.assign(row, values(set));
        }
      }
    }
  }

  /** All rows of a table, in the order in which they were made. */
  rows<T extends Table>(table: T): TableRows[T][] {
    return [...this.table(table).values()] as unknown as TableRows[T][];
  }

  private table(name: Table): Map<string, MutableRow> {
    const rows = this.tables.get(name) ?? new Map<string, MutableRow>();
    this.tables.set(name, rows);
    return rows;
  }
}

/** What the database's column defaults give. */
const defaults: Record<Table, () => MutableRow> = {
  site: () => ({ staging: '', filters: [], live_sequence: 0, live_tree_digest: '', policy: null }),
  content_group: () => ({ site: '', kind: 'all', nodes: [], selector: '', maintenance: null }),
  node: () => ({
    segment: '',
    registered: false,
    online: false,
    address: '',
    agent_type: '',
    labels: {},
    live: {},
  }),
  segment: () => ({ leader: '', term: 0, members: 0, reason: '' }),
  run: () => ({
    site: '',
    type: '',
    dry_run: false,
    actor: '',
    requested_at: null,
    started_at: null,
    outcome: null,
    reason: '',
    duration_ms: 0,
    nothing_changed: false,
    changes: null,
    job: '',
    job_version: 0,
    trigger: '',
    waiting: '',
    waiting_reason: '',
    blocking_run_id: '',
    rollout_run_id: '',
    wave_text: '',
  }),
  run_node: () => ({ segment: '', status: 'pending', error: '', switched_at: null }),
  run_link: () => ({ source: '', bytes: 0, duration_ms: 0, sources: {} }),
  run_segment: () => ({ multicast: 0, repair: 0, unicast: 0 }),
  assignment: () => ({}),
};

function newRow(table: Table, key: Row): MutableRow {
  return { ...defaults[table](), ...key };
}

/** Times are Dates in rows, text in changes. */
function values(set: Row): MutableRow {
  return Object.fromEntries(
    Object.entries(set).map(([column, value]) => [
      column,
      column.endsWith('_at') && typeof value === 'string' ? new Date(value) : value,
    ]),
  );
}

function keyOf(key: Row): string {
  return JSON.stringify(Object.values(key));
}

function matches(row: MutableRow, scope: Row): boolean {
  return Object.entries(scope).every(([column, value]) => row[column] === value);
}
