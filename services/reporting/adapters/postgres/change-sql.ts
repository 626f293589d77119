import type { Change, Row, Table, Value } from '../../read-models/change.js';

export interface Statement {
  readonly sql: string;
  readonly parameters: unknown[];
}

/**
 * The SQL of many changes, in few statements: changes of one row become one, and rows that set the
 * same columns are written together. Table and column names are this program's own constants.
 */
export function statementsOf(changes: readonly Change[]): Statement[] {
  const statements: Statement[] = [];
  let rows = new PendingRows();
  for (const change of changes) {
    if (change.kind === 'insert' || change.kind === 'upsert') rows.add(change);
    else {
      statements.push(...rows.statements(), single(change));
      rows = new PendingRows();
    }
  }
  return [...statements, ...rows.statements()];
}

type RowChange = Extract<Change, { kind: 'insert' | 'upsert' }>;

/**
 * Inserts and upserts that have not been written, each row once. An insert is left out where an
 * upsert of the same row sets all of its columns.
 */
class PendingRows {
  private readonly inserts = new Map<string, RowChange>();
  private readonly upserts = new Map<string, RowChange>();

  add(change: RowChange): void {
    const rows = change.kind === 'insert' ? this.inserts : this.upserts;
    const name = `${change.table} ${JSON.stringify(Object.values(change.key))}`;
    const before = rows.get(name);
    if (!before) rows.set(name, change);
    else if (change.kind === 'upsert') {
      rows.set(name, { ...change, set: { ...before.set, ...change.set } });
    }
  }

  /** Inserts first: an upsert of the same row must win. */
  statements(): Statement[] {
    const inserts = [...this.inserts].filter(([name, { set }]) => {
      const upsert = this.upserts.get(name);
      return !upsert || Object.keys(set).some((column) => !(column in upsert.set));
    });
    const rows = inserts.map(([, insert]) => insert);
    return [...grouped(rows), ...grouped(this.upserts.values())];
  }
}

function grouped(changes: Iterable<RowChange>): Statement[] {
  const groups = new Map<string, RowChange[]>();
  for (const change of changes) {
    const columns = Object.keys(change.set).sort().join();
    const name = `${change.table} ${columns}`;
    const group = groups.get(name) ?? [];
    group.push(change);
    groups.set(name, group);
  }
  return [...groups.values()].map(writeTogether);
}

/** The rows travel as one JSON text: PostgreSQL reads it faster than thousands of parameters. */
function writeTogether(changes: readonly RowChange[]): Statement {
  const [first] = changes as [RowChange];
  const columns = Object.keys(first.set).sort();
  const all = [...Object.keys(first.key), ...columns].join(', ');
  const updates = columns.map((column) => `${column} = excluded.${column}`).join(', ');
  const onConflict = first.kind === 'insert' ? 'do nothing' : `do update set ${updates}`;
  return {
    sql: `insert into ${first.table} (${all})
      select ${all} from json_populate_recordset(null::${first.table}, $1)
      on conflict (${Object.keys(first.key).join(', ')}) ${onConflict}`,
    parameters: [JSON.stringify(changes.map(({ key, set }) => ({ ...key, ...set })))],
  };
}

function single(change: Exclude<Change, RowChange>): Statement {
  if (change.kind === 'delete') return deletion(change.table, change.key);
  const { table, set, scope, except } = change;
  const [columns, scopeColumns] = [Object.keys(set), Object.keys(scope)];
  const assignments = columns.map((column, index) => `${column} = $${index + 1}`);
  const values = [...valuesOf(set, columns), ...valuesOf(scope, scopeColumns)];
  return {
    sql: `update ${table} set ${assignments.join(', ')}
      where ${conditions(scopeColumns, columns.length)}
      and not (${except.column} = any($${values.length + 1}))`,
    parameters: [...values, [...except.values]],
  };
}

function deletion(table: Table, key: Row): Statement {
  const keys = Object.keys(key);
  const sql = `delete from ${table} where ${conditions(keys, 0)}`;
  return { sql, parameters: valuesOf(key, keys) };
}

function conditions(columns: readonly string[], placesBefore: number): string {
  return columns.map((column, index) => `${column} = $${placesBefore + index + 1}`).join(' and ');
}

/** Arrays are PostgreSQL arrays, other objects are JSON. */
function valuesOf(row: Row, columns: readonly string[]): unknown[] {
  return columns.map((column) => {
    const value: Value = row[column] ?? null;
    const isJson = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isJson ? JSON.stringify(value) : value;
  });
}
