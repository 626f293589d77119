import { describe, expect, test } from '@jest/globals';
import { type Hop, nextLeader, origin, originTurn, type Standing } from './hand-out.js';

const limits = { originFanOut: 2, quietMs: 5_000, hungMs: 30_000 };
const always = () => true;

interface NamedHop extends Hop {
  readonly name: string;
}

function hop(name: string, standing: Standing = 'waiting', source = '', sinceMs = 0): NamedHop {
  return { name, standing, source, sinceMs };
}

function names(hops: readonly NamedHop[]): string[] {
  return hops.map(({ name }) => name);
}

describe('the next leader', () => {
  test('is the first in order that waits and can be reached', () => {
    const plan = [hop('a', 'received'), hop('b'), hop('c'), hop('d')];
    expect(nextLeader(plan, 'a', ({ name }) => name !== 'b')?.name).toBe('c');
  });

  test('does not exist when everybody was told', () => {
    expect(nextLeader([hop('a', 'received'), hop('b', 'failed')], 'a', always)).toBeUndefined();
  });

  test('does not exist for a leader that still serves another', () => {
    const plan = [hop('a', 'received'), hop('b', 'received'), hop('c'), hop('d', 'notified', 'a')];
    expect(nextLeader(plan, 'a', always)).toBeUndefined();
    expect(nextLeader(plan, 'b', always)?.name).toBe('c');
  });
});

describe('the turn of the origin', () => {
  test('it begins with the first leaders at once', () => {
    const turn = originTurn([hop('a'), hop('b'), hop('c')], always, limits, 0);
    expect(names(turn.now)).toEqual(['a', 'b']);
    expect(turn.nextAtMs).toBeUndefined();
  });

  test('it passes over leaders that cannot be reached', () => {
    const turn = originTurn([hop('a'), hop('b')], ({ name }) => name === 'b', limits, 0);
    expect(names(turn.now)).toEqual(['b']);
  });

  test('it leaves the others to leaders while its own transfers run', () => {
    const plan = [hop('a', 'notified', origin, 0), hop('b', 'notified', origin, 0), hop('c')];
    expect(originTurn(plan, always, limits, 29_999)).toEqual({ now: [], nextAtMs: 30_000 });
  });

  test('it waits for a quiet time after a leader received, since that one hands on', () => {
    const plan = [hop('a', 'received', origin, 1_000), hop('b', 'received', 'a', 2_000), hop('c')];
    expect(originTurn(plan, always, limits, 6_999)).toEqual({ now: [], nextAtMs: 7_000 });
    expect(names(originTurn(plan, always, limits, 7_000).now)).toEqual(['c']);
  });

  test('leaders that hang do not keep the others waiting for ever', () => {
    const plan = [hop('a', 'notified', origin, 0), hop('b', 'notified', origin, 0), hop('c')];
    expect(names(originTurn(plan, always, limits, 30_000).now)).toEqual(['c']);
  });

  test('a leader that failed makes room for another', () => {
    const plan = [hop('a', 'failed', origin, 0), hop('b', 'notified', origin, 0), hop('c')];
    expect(names(originTurn(plan, always, limits, 5_000).now)).toEqual(['c']);
  });
});

/** Rounds of one transfer each in which every holder serves one more: what the plan leads to. */
function roundsToReach(leaderCount: number): number {
  const plan = Array.from({ length: leaderCount }, (_, index) => hop(String(index)));
  const stand = (at: NamedHop, standing: Standing, source: string) => {
    plan[plan.indexOf(at)] = { ...at, standing, source };
  };
  for (let round = 0; ; round++) {
    const holders = plan.filter(({ standing }) => standing === 'received');
    if (holders.length === leaderCount) return round;
    const first = round === 0 ? originTurn(plan, always, limits, 0).now : [];
    for (const taken of first) stand(taken, 'notified', origin);
    for (const holder of holders) {
      const next = nextLeader(plan, holder.name, always);
      if (next) stand(next, 'notified', holder.name);
    }
    for (const pulling of plan.filter(({ standing }) => standing === 'notified')) {
      stand(pulling, 'received', pulling.source);
    }
  }
}

describe('handing on', () => {
  test.each([1, 2, 3, 7, 100, 1_000])(
    'reaches %i leaders in at most ceil(log2(N)) + 1 rounds, though the origin serves only two',
    (leaderCount) => {
      expect(roundsToReach(leaderCount)).toBeLessThanOrEqual(Math.ceil(Math.log2(leaderCount)) + 1);
    },
  );
});
