import { describe, expect, test } from '@jest/globals';
import {
  controlGroupOf,
  dataGroupCount,
  dataGroupOf,
  isDataGroup,
  isScopedGroup,
} from './group-choice.js';

const base = { address: '239.255.17.250', port: 20_001 };

describe('the data channel of a content group', () => {
  test('is the same for the same site and servers, in whatever order', () => {
    const group = dataGroupOf(base, 'www', ['a', 'b']);
    expect(dataGroupOf(base, 'www', ['b', 'a'])).toEqual(group);
  });

  test('is one of a bounded number, all used and all valid', () => {
    const groups = Array.from({ length: 500 }, (_, n) => dataGroupOf(base, `site-${n}`, ['a']));
    expect(new Set(groups.map(({ address }) => address)).size).toBe(dataGroupCount);
    expect(groups.every((group) => isDataGroup(base, group) && isScopedGroup(group))).toBe(true);
  });

  test.each([
    ['239.255.18.250', 20_001],
    ['239.255.17.239', 20_001],
    ['239.255.17.250', 20_002],
    ['8.8.8.8', 20_001],
  ])('is not %s:%d, whoever announces it', (address, port) => {
    expect(isDataGroup(base, { address, port })).toBe(false);
  });
});

describe('the control channel that a segment moves to', () => {
  test('is another one with each move, within the site', () => {
    const groups = [1, 2, 3].map((move) => controlGroupOf(base, move));
    expect(new Set(groups.map(({ address }) => address)).size).toBe(3);
    expect(groups.every(isScopedGroup)).toBe(true);
  });

  test.each(['8.8.8.8', '224.0.0.1', '239.255.1', 'localhost'])('is never %s', (address) => {
    expect(isScopedGroup({ address, port: 20_000 })).toBe(false);
  });
});
