import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { backupsOf } from './backups.js';
import { bestBreadthMs, pipelinedBoundMs } from './best-breadth.js';
import { planTrees, sourcesOf } from './plan.js';
import { nobodyDies, predict } from './predict.js';
import { stripeTrees } from './stripes.js';
import type { Load, PlanLeader, Tree } from './tree-plan.js';

const bytesPerS = 12_500_000;
const blockBytes = 65_536;

function equalLinks(count: number, sizeBytes: number, batchBytes = blockBytes): Load {
  const links = { upBytesPerS: bytesPerS, downBytesPerS: bytesPerS, latencyMs: 5 };
  const leaders = Array.from({ length: count }, (_, index) => ({ name: `l${index}`, ...links }));
  return { originUpBytesPerS: bytesPerS, leaders, sizeBytes, batchBytes };
}

const anyLeaders = (most: number) =>
  fc
    .array(
      fc.record({
        upBytesPerS: fc.integer({ min: 100_000, max: 100_000_000 }),
        downBytesPerS: fc.integer({ min: 100_000, max: 100_000_000 }),
        latencyMs: fc.integer({ min: 0, max: 100 }),
      }),
      { minLength: 1, maxLength: most },
    )
    .map((links): PlanLeader[] => links.map((link, index) => ({ name: `l${index}`, ...link })));

function lastMs(load: Load, deaths = nobodyDies): number {
  return Math.max(...predict(planTrees(load), load, deaths).doneMs.values());
}

function reachesOrigin(tree: Tree, leader: string): boolean {
  const seen = new Set<string>();
  for (let at: string | undefined = leader; at !== undefined && !seen.has(at); at = tree.get(at)) {
    seen.add(at);
    if (tree.get(at) === 'origin') return true;
  }
  return false;
}

describe('the plan of the trees', () => {
  test('every leader has a way to the origin in every tree, whatever the links are', () => {
    fc.assert(
      fc.property(anyLeaders(20), fc.integer({ min: 1, max: 1e8 }), (leaders, sizeBytes) => {
        const load = { originUpBytesPerS: bytesPerS, leaders, sizeBytes, batchBytes: blockBytes };
        for (const tree of planTrees(load).trees) {
          expect([...tree.keys()].sort()).toEqual(leaders.map(({ name }) => name).sort());
          for (const { name } of leaders) expect(reachesOrigin(tree, name)).toBe(true);
        }
      }),
    );
  });

  test('a small assignment takes one tree, which hardly anybody waits in', () => {
    const load = equalLinks(20, 1_000);
    expect(planTrees(load).shape).toBe('breadth');
    expect(lastMs(load)).toBeLessThan(4 * 5);
  });

  test.each([2, 10, 100])(
    'a large one to %i leaders takes little more than one transfer',
    (count) => {
      const load = equalLinks(count, 400 * blockBytes);
      expect(planTrees(load).shape).toBe('stripes');
      expect(lastMs(load) / pipelinedBoundMs(load)).toBeLessThan(1.15);
    },
  );

  test('few take it from one another in a row and share no uplink; many in stripes', () => {
    const sizeBytes = 400 * blockBytes;
    expect(planTrees(equalLinks(8, sizeBytes)).trees).toHaveLength(1);
    expect(planTrees(equalLinks(100, sizeBytes)).trees.length).toBeGreaterThan(1);
    const { sentBytes } = predict(planTrees(equalLinks(8, sizeBytes)), equalLinks(8, sizeBytes));
    for (const bytes of sentBytes.values()) expect(bytes).toBe(sizeBytes);
  });

  test('nobody sends more than its share, and the origin one copy', () => {
    const load = equalLinks(40, 400 * blockBytes);
    const { sentBytes, receivedBytes } = predict(planTrees(load), load);
    for (const bytes of sentBytes.values()) expect(bytes / load.sizeBytes).toBeLessThan(1.01);
    for (const bytes of receivedBytes.values()) expect(bytes).toBe(load.sizeBytes);
    expect(sentBytes.get('origin')).toBe(load.sizeBytes);
  });

  test('with equal links a leader forwards in one tree only, but for the last of each tree', () => {
    const { trees = [] } = stripeTrees(equalLinks(40, 400 * blockBytes), 4) ?? {};
    expect(trees).toHaveLength(4);
    const forwards = new Map<string, number>();
    for (const tree of trees) {
      for (const source of new Set(tree.values())) {
        forwards.set(source, (forwards.get(source) ?? 0) + 1);
      }
    }
    forwards.delete('origin');
    const inSeveral = [...forwards.values()].filter((count) => count > 1);
    expect(inSeveral.length).toBeLessThan(trees.length);
  });

  test('the best of all trees is at most a tenth better, for a few leaders', () => {
    fc.assert(
      fc.property(anyLeaders(4), fc.integer({ min: 1_000, max: 1e8 }), (leaders, sizeBytes) => {
        const load = { originUpBytesPerS: bytesPerS, leaders, sizeBytes, batchBytes: sizeBytes };
        expect(lastMs(load)).toBeLessThanOrEqual(1.1 * bestBreadthMs(load) + 1e-6);
      }),
      { seed: 1, numRuns: 60 },
    );
  });
});

describe('leaders that die', () => {
  test('cost time, never content: all others have everything in the end', () => {
    const load = equalLinks(40, 100 * blockBytes);
    const atMs = new Map(['l0', 'l7', 'l11', 'l23'].map((name, turn) => [name, 100 * turn]));
    const { doneMs } = predict(planTrees(load), load, { atMs, noticeMs: 500 });
    const alive = load.leaders.filter(({ name }) => !atMs.has(name));
    for (const { name } of alive) expect(doneMs.has(name)).toBe(true);
  });

  test('the backup of a leader never waits for that leader', () => {
    const plan = planTrees(equalLinks(40, 400 * blockBytes));
    for (const [stripe, tree] of plan.trees.entries()) {
      for (const leader of tree.keys()) {
        for (const backup of backupsOf(plan, leader, stripe)) {
          for (let at: string | undefined = backup; at !== undefined; at = tree.get(at)) {
            expect(at).not.toBe(leader);
          }
        }
      }
    }
  });

  test('orphans are spread over several backups, and the origin is the last', () => {
    const plan = planTrees(equalLinks(100, 400 * blockBytes));
    const [tree] = plan.trees as [Tree];
    const orphans = [...tree].filter(([, source]) => source === tree.keys().next().value);
    const first = orphans.map(([leader]) => backupsOf(plan, leader, 0)[0]);
    expect(new Set(first).size).toBeGreaterThan(1);
    for (const [leader] of orphans) expect(backupsOf(plan, leader, 0).at(-1)).toBe('origin');
  });

  test('a leader has a source for each stripe', () => {
    const plan = planTrees(equalLinks(10, 400 * blockBytes));
    expect(sourcesOf(plan, 'l3')).toHaveLength(plan.trees.length);
  });
});
