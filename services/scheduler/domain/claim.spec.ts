import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { answer, type Claim, claimAggregate, type OnConflict, type Wish } from './claim.js';

const { initial, evolve, decide } = claimAggregate('www');

function wish(runId: string, nodes: string[], more: Partial<Wish> = {}): Wish {
  return { runId, nodes, movesLiveVersion: false, automatic: false, kind: 'PUBLISH', ...more };
}

function given(claim: Claim, wanted: Wish, onConflict: OnConflict = 'queue'): Claim {
  return answer(claim, wanted, onConflict).events.reduce(evolve, claim);
}

const released = (claim: Claim, runId: string) =>
  decide({ type: 'release', runId }, claim).reduce(evolve, claim);
const holders = (claim: Claim) => claim.holders.map(({ runId }) => runId);
const queue = (claim: Claim) => claim.queue.map(({ runId }) => runId);

describe('the claim of a site', () => {
  const one = given(initial, wish('one', ['a', 'b']));

  test('is held by runs on different servers at once', () => {
    expect(holders(given(one, wish('two', ['c'])))).toEqual(['one', 'two']);
  });

  test('is not held by two runs that change the live version, whatever their servers', () => {
    const live = given(initial, wish('one', ['a'], { movesLiveVersion: true }));
    const two = wish('two', ['b'], { movesLiveVersion: true });
    expect(answer(live, two, 'queue')).toMatchObject({ blockingRunId: 'one', isQueued: true });
  });

  test('refuses or cancels without a trace, and names the run in the way', () => {
    for (const policy of ['refuse', 'cancel'] as const) {
      const { events, blockingRunId } = answer(one, wish('two', ['b']), policy);
      expect({ events, blockingRunId }).toEqual({ events: [], blockingRunId: 'one' });
    }
  });

  test('goes to who waits, in order, when it is released', () => {
    const waiting = given(given(one, wish('two', ['b'])), wish('three', ['b']));
    expect(queue(waiting)).toEqual(['two', 'three']);
    const next = released(waiting, 'one');
    expect([holders(next), queue(next)]).toEqual([['two'], ['three']]);
  });

  test('is not taken past somebody who waits for the same server', () => {
    const waiting = given(one, wish('two', ['b', 'c']));
    const { blockingRunId } = answer(waiting, wish('three', ['c']), 'queue');
    expect(blockingRunId).toBe('two');
  });

  test('lets a run take the place of one of its kind that waits', () => {
    const kind = { kind: 'job nightly' };
    const waiting = given(given(one, wish('two', ['b'], kind)), wish('three', ['b']));
    const { events, displaced } = answer(waiting, wish('four', ['b'], kind), 'replace');
    expect(queue(events.reduce(evolve, waiting))).toEqual(['four', 'three']);
    expect(displaced).toMatchObject([{ runId: 'two' }]);
  });

  test('is given up by runs that nobody asked for', () => {
    const repair = given(initial, wish('repair', ['a'], { automatic: true }));
    const { events, displaced } = answer(repair, wish('asked', ['a']), 'refuse');
    expect(holders(events.reduce(evolve, repair))).toEqual(['asked']);
    expect(displaced).toMatchObject([{ runId: 'repair' }]);
    const other = answer(repair, wish('second', ['a'], { automatic: true }), 'refuse');
    expect(other.blockingRunId).toBe('repair');
  });

  test('says nothing when a run asks again, and more when it needs other servers', () => {
    expect(answer(one, wish('one', ['b', 'a']), 'queue').events).toEqual([]);
    const grown = given(one, wish('one', ['a', 'z']));
    expect(holders(grown)).toEqual(['one']);
    expect(answer(grown, wish('two', ['z']), 'refuse').blockingRunId).toBe('one');
  });

  test('is never held by two runs that conflict, and everybody gets it in the end', () => {
    const nodes = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 });
    const wishes = fc.array(fc.record({ nodes, movesLiveVersion: fc.boolean() }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(wishes, (all) => {
        let claim = all.reduce(
          (state, wanted, index) => given(state, wish(`run-${index}`, wanted.nodes, wanted)),
          initial,
        );
        const served: string[] = [];
        for (let first = claim.holders[0]; first; first = claim.holders[0]) {
          expectApart(claim);
          served.push(first.runId);
          claim = released(claim, first.runId);
        }
        expect(claim.queue).toEqual([]);
        expect(served).toHaveLength(all.length);
      }),
    );
  });

  test('keeps the order of thousands of runs that all want the same', () => {
    const count = 3_000;
    let claim = initial;
    for (let number = 0; number < count; number++) claim = given(claim, wish(`${number}`, ['a']));
    const served: string[] = [];
    for (let first = claim.holders[0]; first; first = claim.holders[0]) {
      expect(claim.holders).toHaveLength(1);
      served.push(first.runId);
      claim = released(claim, first.runId);
    }
    expect(served).toEqual(Array.from({ length: count }, (_, number) => String(number)));
  }, 60_000);

  function expectApart({ holders: held }: Claim): void {
    const servers = held.flatMap((entry) => [...entry.nodes]);
    expect(new Set(servers).size).toBe(servers.length);
    expect(held.filter(({ movesLiveVersion }) => movesLiveVersion).length).toBeLessThan(2);
  }
});
