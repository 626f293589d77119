import { describe, expect, it } from '@jest/globals';
import { beat, emptyTable, farewell, type LaneTable } from './lane-table.js';

const nobody = new Set<string>();
const none = new Set<number>();
const held = (table: LaneTable, name: string) =>
  table.holders.flatMap((holder, lane) => (holder === name ? [lane] : []));

describe('the table of lanes', () => {
  it('gives all lanes to the only replica', () => {
    const { own, surplus } = beat(emptyTable(5), 'a', nobody, none);
    expect(own).toEqual([0, 1, 2, 3, 4]);
    expect(surplus).toEqual([]);
  });

  it('gives a newcomer its share only after the holder has finished with it', () => {
    const alone = beat(emptyTable(4), 'a', nobody, none).table;
    const newcomer = beat(alone, 'b', nobody, none);
    expect(newcomer.own).toEqual([]);
    const asked = beat(newcomer.table, 'a', nobody, none);
    expect(asked.surplus).toEqual([1, 3]);
    const given = beat(asked.table, 'a', nobody, new Set([1, 3]));
    expect(given.own).toEqual([0, 2]);
    expect(beat(given.table, 'b', nobody, none).own).toEqual([1, 3]);
  });

  it('gives the lanes of a dead replica to those that live', () => {
    const both = ['a', 'b', 'a', 'b'];
    const table = { beats: { a: 9, b: 9 }, holders: both };
    const { table: after, own } = beat(table, 'a', new Set(['b']), none);
    expect(own).toEqual([0, 1, 2, 3]);
    expect(after.beats).toEqual({ a: 10 });
  });

  it('frees the lanes of a replica that says good-bye', () => {
    const table = farewell({ beats: { a: 3, b: 3 }, holders: ['a', 'b'] }, 'b');
    expect(table).toEqual({ beats: { a: 3 }, holders: ['a', ''] });
  });

  it('comes to rest with every lane held, whoever beats in whatever order', () => {
    const names = ['c', 'a', 'b', 'd', 'e'];
    let table = emptyTable(9);
    const finished = new Map(names.map((name) => [name, none as ReadonlySet<number>]));
    for (let turn = 0; turn < 60; turn++) {
      const name = names[(turn * 7) % names.length] as string;
      const step = beat(table, name, nobody, finished.get(name) ?? none);
      finished.set(name, new Set(step.surplus));
      table = step.table;
    }
    const sizes = names.map((name) => held(table, name).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(9);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  });
});
