import { describe, expect, test } from '@jest/globals';
import { LeaderOrder } from '#libs/contracts/index.js';
import { CircularTree, InvalidOrder } from './errors.js';
import { automatic, type TreePolicyCommand, treePolicyAggregate } from './tree-policy.js';

const { decide, evolve } = treePolicyAggregate;
const fix = (order: string[], sources: Record<string, string> = {}): TreePolicyCommand => {
  return { type: 'fix', site: 'www', order, sources };
};
const stateAfter = (command: TreePolicyCommand) =>
  decide(command, automatic).reduce(evolve, automatic);

describe('the tree of a site', () => {
  test('is fixed, and left to the planner again', () => {
    const fixed = stateAfter(fix(['b', 'a'], { b: 'a' }));
    expect(fixed).toEqual({
      situation: 'fixed',
      order: ['b', 'a'],
      sources: new Map([['b', 'a']]),
    });
    const release = { type: 'release', site: 'www', orderBy: LeaderOrder.DISTANCE } as const;
    const released = decide(release, fixed).reduce(evolve, fixed);
    expect(released).toEqual({ situation: 'automatic', orderBy: LeaderOrder.DISTANCE });
  });

  test('is not fixed twice in the same way, nor released when it is free', () => {
    const command = fix(['b', 'a'], { b: 'a' });
    expect(decide(command, stateAfter(command))).toEqual([]);
    expect(decide({ type: 'release', site: 'www', orderBy: 0 }, automatic)).toEqual([]);
  });

  test.each<[what: string, command: TreePolicyCommand, error: new (...args: never[]) => Error]>([
    ['a circle', fix([], { a: 'b', b: 'c', c: 'a' }), CircularTree],
    ['a leader that pulls from itself', fix([], { a: 'a' }), CircularTree],
    ['a segment named twice', fix(['a', 'a']), InvalidOrder],
    ['nothing at all', fix([]), InvalidOrder],
  ])('refuses %s', (_what, command, error) => {
    expect(() => decide(command, automatic)).toThrow(error);
  });
});
