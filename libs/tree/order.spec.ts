import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { orderLeaders, type RankedLeader } from './order.js';

function leader(name: string, cpuCount: number, cpuMhz: number, location = ''): RankedLeader {
  return { name, cpuCount, cpuMhz, location };
}

describe('the order of leaders', () => {
  test('the fastest CPU comes first, counting all its cores', () => {
    const ordered = orderLeaders([leader('slow', 2, 2000), leader('fast', 8, 1000)]);
    expect(ordered.map(({ name }) => name)).toEqual(['fast', 'slow']);
  });

  test('of equally fast leaders those of one location come together, then names decide', () => {
    const ordered = orderLeaders([
      leader('d', 1, 1, 'rome'),
      leader('a', 1, 1, 'rome'),
      leader('c', 1, 1, 'paris'),
    ]);
    expect(ordered.map(({ name }) => name)).toEqual(['c', 'a', 'd']);
  });

  test('does not depend on the order in which leaders registered', () => {
    const leaders = fc.uniqueArray(
      fc.record({
        name: fc.string({ minLength: 1, maxLength: 3 }),
        cpuCount: fc.integer({ min: 1, max: 3 }),
        cpuMhz: fc.integer({ min: 1, max: 3 }),
        location: fc.constantFrom('', 'paris', 'rome'),
      }),
      { selector: ({ name }) => name },
    );
    fc.assert(
      fc.property(leaders, fc.integer(), (given, rotation) => {
        const at = given.length === 0 ? 0 : Math.abs(rotation) % given.length;
        const rotated = [...given.slice(at), ...given.slice(0, at)];
        expect(orderLeaders(rotated)).toEqual(orderLeaders(given));
      }),
    );
  });
});
