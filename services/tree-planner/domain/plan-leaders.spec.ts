import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { RunTargetSchema } from '#libs/contracts/index.js';
import { planLeaders } from './plan-leaders.js';
import { segmentLed, viewAfter } from './planner-fixture.js';
import { automatic } from './tree-policy.js';

function ledBy(segment: string, cpuCount: number, location: string) {
  const leader = `${segment}-1`;
  const idle = { node: `${segment}-2`, capacity: { cpuCount: 64, cpuMhz: 9_000 } };
  const capacity = { cpuCount, cpuMhz: 1_000 };
  return segmentLed(segment, {
    members: [idle, { node: leader, capacity, labels: { location } }],
  });
}

function targets(...segments: string[]) {
  return segments.map((segment) => create(RunTargetSchema, { segment, nodes: [`${segment}-9`] }));
}

describe('the plan of leaders', () => {
  test('orders by the speed of the leader itself, then by its location', () => {
    const view = viewAfter(
      [0, ledBy('a', 2, 'rome')],
      [0, ledBy('b', 8, 'rome')],
      [0, ledBy('c', 2, 'paris')],
    );
    const plan = planLeaders(targets('a', 'b', 'c'), view, automatic, new Map());
    expect(plan.map(({ segment }) => segment)).toEqual(['b', 'c', 'a']);
    expect(plan[0]).toMatchObject({ leader: 'b-1', httpUrl: 'http://b-1', nodes: ['b-9'] });
  });

  test('keeps a segment without a leader for the end', () => {
    const view = viewAfter([0, ledBy('b', 1, '')]);
    const plan = planLeaders(targets('a', 'b'), view, automatic, new Map());
    expect(plan.map(({ segment, leader }) => [segment, leader])).toEqual([
      ['b', 'b-1'],
      ['a', ''],
    ]);
  });
});
