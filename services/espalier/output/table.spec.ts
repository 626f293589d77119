import { describe, expect, it } from '@jest/globals';
import { renderTable } from './table.js';

const columns = [
  ['name', (row: { name: string; size: number }) => row.name],
  ['size', (row: { name: string; size: number }) => String(row.size)],
] as const;

describe('tables', () => {
  it('line up their columns, without colours or trailing blanks', () => {
    const rows = [
      { name: 'www', size: 1 },
      { name: 'documentation', size: 22 },
    ];
    expect(renderTable(columns, rows, 'nothing').split('\n')).toEqual([
      'NAME            SIZE',
      'www             1',
      'documentation   22',
    ]);
  });

  it('say what to do when there is nothing to show', () => {
    expect(renderTable(columns, [], 'nothing yet')).toBe('nothing yet');
  });
});
