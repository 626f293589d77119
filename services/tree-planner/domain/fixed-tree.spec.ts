import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { withFixedSources } from './fixed-tree.js';

const plan = (tree: Record<string, string>) => {
  return { shape: 'breadth', trees: [new Map(Object.entries(tree))], estimateMs: 0 } as const;
};
const fixed = (tree: Record<string, string>, sources: Record<string, string>) =>
  Object.fromEntries(withFixedSources(plan(tree), new Map(Object.entries(sources))).trees[0] ?? []);

describe('a tree that an administrator fixed in part', () => {
  test('is the planned one elsewhere', () => {
    const tree = { a: 'origin', b: 'a', c: 'origin' };
    expect(fixed(tree, { c: 'b' })).toEqual({ a: 'origin', b: 'a', c: 'b' });
  });

  test('lets who would wait for itself pull from the origin', () => {
    expect(fixed({ a: 'origin', b: 'a' }, { a: 'b' })).toEqual({ a: 'b', b: 'origin' });
  });

  test('leaves out a source that does not receive', () => {
    expect(fixed({ a: 'origin', b: 'a' }, { b: 'z' })).toEqual({ a: 'origin', b: 'a' });
  });

  test('reaches everybody from the origin, whatever was named', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const tree = { a: 'origin', b: 'a', c: 'a', d: 'b', e: 'origin', f: 'e' };
    // Named sources are no circle by themselves: each pulls from a later one, or from the origin.
    const named = fc.record(
      Object.fromEntries(
        names.map((name, at) => [name, fc.constantFrom('origin', ...names.slice(at + 1))]),
      ),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(named, (sources) => {
        const all = fixed(tree, sources as Record<string, string>);
        for (const name of names) {
          let at: string | undefined = name;
          for (let step = 0; step <= names.length && at !== 'origin'; step++) at = all[at ?? ''];
          expect(at).toBe('origin');
        }
      }),
    );
  });
});
