import { describe, expect, test } from '@jest/globals';
import { origin } from './hand-out.js';
import { memberPlace, memberTree } from './member-tree.js';
import { predict } from './predict.js';

const megabyte = 1_000_000;
const sizeBytes = 8 * megabyte;
const batchBytes = 65_536;
const latencyMs = 0.5;

/** The members' tree in virtual time: who has a block sends it on. @returns how long it takes */
function play(members: number, leaderUpBytesPerS: number, memberUpBytesPerS: number) {
  const { breadth = 0 } = memberTree(members, sizeBytes) ?? {};
  const nodes = Array.from({ length: members }, (_, index) => `m${index}`);
  const places = nodes.map((_, index) => memberPlace(breadth, index));
  const tree = new Map(
    nodes.map((node, index) => {
      const parent = places[index]?.parent;
      return [node, parent === undefined ? origin : `m${parent}`];
    }),
  );
  const leaders = nodes.map((name) => ({
    ...{ name, latencyMs, upBytesPerS: memberUpBytesPerS, downBytesPerS: 1e9 },
  }));
  const load = { originUpBytesPerS: leaderUpBytesPerS, leaders, sizeBytes, batchBytes };
  const { doneMs, sentBytes } = predict({ shape: 'stripes', trees: [tree], estimateMs: 0 }, load);
  expect(doneMs.size).toBe(members);
  const depth = Math.max(...places.map((place) => place.depth));
  const slowest = Math.min(leaderUpBytesPerS, memberUpBytesPerS);
  const blocksMs = (breadth * 1_000 * batchBytes) / slowest;
  return {
    takesMs: Math.max(...doneMs.values()),
    /** `breadth` copies over the slowest link, and a row of blocks per level. */
    boundMs: (breadth * 1_000 * sizeBytes) / slowest + depth * (blocksMs + 2 * latencyMs),
    leaderCopies: (sentBytes.get(origin) ?? 0) / sizeBytes,
    breadth,
  };
}

describe.each([3, 14, 50, 200, 1_000, 3_000])('the tree of %d members', (members) => {
  test.each([
    ['a leader with a tenth of the members link', 1.25 * megabyte, 12.5 * megabyte],
    ['links that are all alike', 12.5 * megabyte, 12.5 * megabyte],
    ['members with a tenth of the leader link', 12.5 * megabyte, 1.25 * megabyte],
  ])('brings all of it within its bound over %s', (_, leaderUp, memberUp) => {
    const { takesMs, boundMs, leaderCopies, breadth } = play(members, leaderUp, memberUp);
    expect(leaderCopies).toBeCloseTo(breadth, 6);
    expect(takesMs).toBeLessThanOrEqual(boundMs);
    expect(takesMs).toBeGreaterThan(0.9 * ((breadth * 1_000 * sizeBytes) / leaderUp));
  });
});

test('of 200 members takes a hundredth of what they take one after the other', () => {
  const leaderUp = 12.5 * megabyte;
  const { takesMs } = play(200, leaderUp, leaderUp);
  const oneByOneMs = (200 * 1_000 * sizeBytes) / leaderUp;
  expect(takesMs).toBeLessThan(oneByOneMs / 90);
});
