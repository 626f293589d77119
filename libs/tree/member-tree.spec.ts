import { describe, expect, test } from '@jest/globals';
import { memberPlace, memberTree } from './member-tree.js';

const megabyte = 1024 ** 2;
const sizes = [3, 4, 7, 50, 200, 1_000, 1_001, 3_000];

describe.each(sizes)('the tree of %i members', (members) => {
  const { breadth, relays } = memberTree(members, 64 * megabyte) ?? { breadth: 0, relays: 0 };
  const places = Array.from({ length: members }, (_, index) => memberPlace(breadth, index));

  test('asks nobody, and not the leader, for more than a few copies', () => {
    const children = new Map<number | undefined, number>();
    for (const { parent } of places) children.set(parent, (children.get(parent) ?? 0) + 1);
    expect(children.get(undefined)).toBe(breadth);
    expect(Math.max(...children.values())).toBe(breadth);
    expect(breadth).toBeLessThanOrEqual(Math.max(2, Math.ceil(members / 500)));
  });

  test('reaches everybody in a logarithmic number of transfers', () => {
    const most = Math.ceil(Math.log(members + 1) / Math.log(breadth));
    for (const [index, { depth, parent }] of places.entries()) {
      expect(depth).toBeLessThanOrEqual(most);
      if (parent === undefined) expect(depth).toBe(1);
      else expect(places[parent]?.depth).toBe(depth - 1);
      expect(parent ?? -1).toBeLessThan(index);
    }
  });

  test('names those who have children, and no others', () => {
    const parents = places.flatMap(({ parent }) => parent ?? []);
    expect(Math.max(...parents)).toBe(relays - 1);
    expect(relays).toBeLessThanOrEqual(500);
  });
});

test('no tree is planned for what a leader sends at once, nor for very few', () => {
  expect(memberTree(1_000, 8_192)).toBeUndefined();
  expect(memberTree(2, 1_000 * megabyte)).toBeUndefined();
});
