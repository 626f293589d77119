import { describe, expect, it } from '@jest/globals';
import type { Change } from '../../read-models/change.js';
import { statementsOf } from './change-sql.js';

const node = (name: string, set: Record<string, string>): Change => ({
  kind: 'upsert',
  table: 'node',
  key: { name },
  set,
});

describe('the SQL of changes', () => {
  it('writes rows that set the same columns together', () => {
    const statements = statementsOf([
      node('a', { segment: 'paris' }),
      node('b', { segment: 'tokyo' }),
      node('c', { address: '10.0.0.1' }),
    ]);
    expect(statements).toHaveLength(2);
    expect(statements[0]?.parameters).toEqual(['a', 'paris', 'b', 'tokyo']);
  });

  it('writes a row that changes twice once, with its last values', () => {
    const statements = statementsOf([
      node('a', { segment: 'paris', address: '10.0.0.1' }),
      node('a', { segment: 'tokyo' }),
    ]);
    expect(statements.map(({ parameters }) => parameters)).toEqual([['a', '10.0.0.1', 'tokyo']]);
  });

  it('makes new rows before it changes them', () => {
    const insert: Change = {
      kind: 'insert',
      table: 'node',
      key: { name: 'a' },
      set: { segment: '' },
    };
    const [first, second] = statementsOf([node('a', { segment: 'paris' }), insert]);
    expect(first?.sql).toContain('do nothing');
    expect(second?.sql).toContain('do update');
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

  it('never gives a statement more parameters than PostgreSQL takes', () => {
    const many = Array.from({ length: 50_000 }, (_, index) => node(`n${index}`, { segment: 's' }));
    const statements = statementsOf(many);
    expect(statements.length).toBeGreaterThan(1);
    expect(Math.max(...statements.map(({ parameters }) => parameters.length))).toBeLessThan(65_535);
    expect(statements.flatMap(({ parameters }) => parameters)).toHaveLength(100_000);
  });
});
