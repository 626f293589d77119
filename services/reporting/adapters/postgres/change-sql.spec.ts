import { describe, expect, it } from '@jest/globals';
import type { Change } from '../../read-models/change.js';
import { type Statement, statementsOf } from './change-sql.js';

const node = (name: string, set: Record<string, string>): Change => ({
  kind: 'upsert',
  table: 'node',
  key: { name },
  set,
});

const rowsOf = (statement: Statement | undefined) => JSON.parse(String(statement?.parameters[0]));

describe('the SQL of changes', () => {
  it('writes rows that set the same columns together', () => {
    const statements = statementsOf([
      node('a', { segment: 'paris' }),
      node('b', { segment: 'tokyo' }),
      node('c', { address: '10.0.0.1' }),
    ]);
    expect(statements).toHaveLength(2);
    expect(rowsOf(statements[0])).toEqual([
      { name: 'a', segment: 'paris' },
      { name: 'b', segment: 'tokyo' },
    ]);
  });

  it('writes a row that changes twice once, with its last values', () => {
    const statements = statementsOf([
      node('a', { segment: 'paris', address: '10.0.0.1' }),
      node('a', { segment: 'tokyo' }),
    ]);
    expect(statements.map(rowsOf)).toEqual([
      [{ name: 'a', address: '10.0.0.1', segment: 'tokyo' }],
    ]);
  });

  it('makes new rows before it changes them', () => {
    const insert: Change = {
      kind: 'insert',
      table: 'node',
      key: { name: 'a' },
      set: { segment: '' },
    };
    const [first, second] = statementsOf([node('a', { address: '10.0.0.1' }), insert]);
    expect(first?.sql).toContain('do nothing');
    expect(second?.sql).toContain('do update');
  });

  it('writes a new row once when its first change sets all that it has', () => {
    const insert: Change = {
      kind: 'insert',
      table: 'node',
      key: { name: 'a' },
      set: { segment: '' },
    };
    const statements = statementsOf([insert, node('a', { segment: 'paris', address: '10.0.0.1' })]);
    expect(statements.map(({ sql }) => sql)).toEqual([expect.stringContaining('do update')]);
  });

  it('keeps changes on their side of one that concerns many rows', () => {
    const offline: Change = {
      kind: 'update-others',
      table: 'node',
      scope: { segment: 'paris' },
      except: { column: 'name', values: ['b'] },
      set: { online: false },
    };
    const kinds = statementsOf([node('a', { address: 'x' }), offline, node('a', { address: 'y' })]);
    expect(kinds.map(({ sql }) => sql.slice(0, 6))).toEqual(['insert', 'update', 'insert']);
    expect(kinds[1]?.parameters).toEqual([false, 'paris', ['b']]);
  });
});
