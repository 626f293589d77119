import { describe, expect, test } from '@jest/globals';
import { type DomainEvent, event, LeaderOrder } from '#libs/contracts/index.js';
import { defaultHandOutConfig } from '../config.js';
import { planLeaders } from './plan-leaders.js';
import { withTrees } from './plan-trees.js';
import { failed, received, segmentLed, viewAfter } from './planner-fixture.js';
import {
  canPull,
  isLeaf,
  type Origins,
  originUrlFor,
  peersToProbe,
  placeOf,
  regionOf,
} from './reach.js';
import { automatic, type TreePolicy } from './tree-policy.js';

const oneOrigin: Origins = new Map([['', 'https://origin']]);
const twoOrigins: Origins = new Map([...oneOrigin, ['eu', 'https://eu'], ['us', 'https://us']]);

/** Peers and round trips in ms; 0: not reached. */
function measured(segment: string, links: Readonly<Record<string, number>>): DomainEvent {
  return event('LinksMeasured', {
    segment,
    links: Object.entries(links).map(([peer, rttMs]) => {
      return { peer, isReachable: rttMs > 0, rttUs: rttMs * 1_000 };
    }),
  });
}

function led(segment: string, labels: Record<string, string> = {}, isLeaf = false): DomainEvent {
  const node = `${segment}-1`;
  return segmentLed(segment, { members: [{ node, labels, isLeaf, timeZone: 'Europe/Paris' }] });
}

const view = (...events: readonly DomainEvent[]) =>
  viewAfter(...events.map((each, at) => [at, each] as const));

describe('who can pull from whom', () => {
  test('everybody from everybody, as long as nobody knows better', () => {
    expect(canPull(view(led('a'), led('b')), 'a', 'b', oneOrigin)).toBe(true);
  });

  test('nobody from a leader that says it takes no connections', () => {
    const fleet = view(led('a'), led('b', {}, true));
    expect([isLeaf(fleet, 'b'), canPull(fleet, 'a', 'b', oneOrigin)]).toEqual([true, false]);
    expect(canPull(fleet, 'b', 'a', oneOrigin)).toBe(true);
  });

  test('nobody from a leader that all who tried could not reach', () => {
    const fleet = view(led('a'), led('b'), led('c'), led('d'), measured('a', { c: 0 }));
    expect([isLeaf(fleet, 'c'), canPull(fleet, 'd', 'c', oneOrigin)]).toEqual([true, false]);
    const reached = view(
      ...[led('a'), led('b'), led('c'), led('d')],
      ...[measured('a', { c: 0 }), measured('b', { c: 3 })],
    );
    expect(isLeaf(reached, 'c')).toBe(false);
    const who = ['a', 'b', 'd'].map((segment) => canPull(reached, segment, 'c', oneOrigin));
    expect(who).toEqual([false, true, true]);
  });

  test('nobody across regions that have an origin each', () => {
    const fleet = view(led('a', { region: 'eu' }), led('b', { region: 'us' }));
    expect(canPull(fleet, 'a', 'b', oneOrigin)).toBe(true);
    expect(canPull(fleet, 'a', 'b', twoOrigins)).toBe(false);
    expect(canPull(fleet, 'a', 'origin', twoOrigins)).toBe(true);
  });
});

describe('where a segment is', () => {
  test('is what its leader says, until an administrator says otherwise, whoever leads', () => {
    const before = view(led('a', { location: 'paris', region: 'eu' }));
    const paris = { location: 'paris', timeZone: 'Europe/Paris', region: 'eu' };
    expect(placeOf(before, 'a')).toEqual(paris);
    const said = { location: 'lyon', timeZone: '', region: 'us' };
    const after = view(
      led('a', { location: 'paris', region: 'eu' }),
      event('SegmentLocated', { segment: 'a', ...said }),
      segmentLed('a', { leader: 'a-2', term: 2n }),
    );
    expect(placeOf(after, 'a')).toEqual(said);
  });

  test('a region is served by its own origin, others by the default one', () => {
    const fleet = view(led('a', { region: 'eu' }), led('b', { region: 'asia' }), led('c'));
    const urls = ['a', 'b', 'c'].map((segment) => originUrlFor(fleet, segment, twoOrigins));
    expect(urls).toEqual(['https://eu', 'https://origin', 'https://origin']);
  });

  test('who has no region belongs to the nearest origin', () => {
    const links = { origin: 80, 'origin/eu': 12, 'origin/us': 0 };
    const fleet = view(led('a'), measured('a', links));
    expect(regionOf(fleet, 'a', twoOrigins)).toBe('eu');
    expect(originUrlFor(fleet, 'a', twoOrigins)).toBe('https://eu');
  });

  test('and stays with the default one where another is hardly nearer', () => {
    const fleet = view(led('a'), measured('a', { origin: 1.3, 'origin/eu': 0.4 }));
    expect(regionOf(fleet, 'a', twoOrigins)).toBe('');
  });
});

describe('whom a leader probes', () => {
  const many = Array.from({ length: 400 }, (_, at) => `s${at}`);
  const fleet = view(...many.map((name, at) => led(name, { location: `city-${at % 40}` })));

  test('a few, its neighbours among them, the same each time', () => {
    const peers = peersToProbe(fleet, 's7', oneOrigin);
    expect(peers).toHaveLength(16);
    expect(peers).toEqual(peersToProbe(fleet, 's7', oneOrigin));
    expect(peers).not.toContain('s7');
    const near = peers.filter((peer) => placeOf(fleet, peer).location === 'city-7');
    expect(near.length).toBeGreaterThanOrEqual(8);
  });

  test('so that everybody is probed, and nobody by many', () => {
    const counts = new Map(many.map((name) => [name, 0]));
    for (const name of many) {
      for (const peer of peersToProbe(fleet, name, oneOrigin)) {
        counts.set(peer, (counts.get(peer) ?? 0) + 1);
      }
    }
    expect(Math.min(...counts.values())).toBeGreaterThan(0);
    expect(Math.max(...counts.values())).toBeLessThan(48);
  });
});

const large = 200_000_000;
const targets = (...segments: string[]) =>
  segments.map((segment) => ({ segment, nodes: [`${segment}-1`] }) as never);
const sourcesIn = (fleet: ReturnType<typeof view>, policy: TreePolicy, origins: Origins) => {
  const inOrder = planLeaders(targets(...fleet.segments.keys()), fleet, policy, origins);
  const args = [inOrder, large, fleet, policy, origins, defaultHandOutConfig] as const;
  return new Map(
    withTrees(...args).leaders.map(({ segment, stripes }) => [
      segment,
      new Set(stripes.map(({ sources }) => sources[0])),
    ]),
  );
};

describe('the tree', () => {
  const eight = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

  test('gives a leaf no children', () => {
    const fleet = view(...eight.map((name) => led(name, {}, name === 'a')));
    const sources = sourcesIn(fleet, automatic, oneOrigin);
    expect([...sources.values()].some((from) => !from.has('origin'))).toBe(true);
    expect([...sources.values()].some((from) => from.has('a'))).toBe(false);
  });

  test('of one region has no source in another', () => {
    const regions = new Map(eight.map((name, at) => [name, at % 2 ? 'eu' : 'us']));
    const fleet = view(...eight.map((name) => led(name, { region: regions.get(name) ?? '' })));
    for (const [segment, from] of sourcesIn(fleet, automatic, twoOrigins)) {
      for (const source of from) {
        if (source !== 'origin') expect(regions.get(source ?? '')).toBe(regions.get(segment));
      }
    }
  });

  test('is as an administrator fixed it', () => {
    const fleet = view(...eight.map((name) => led(name)));
    const sources = new Map([
      ['b', 'a'],
      ['c', 'b'],
    ]);
    const policy: TreePolicy = { situation: 'fixed', order: ['h', 'a'], sources };
    const order = planLeaders(targets(...eight), fleet, policy, oneOrigin);
    expect(order.slice(0, 3).map(({ segment }) => segment)).toEqual(['h', 'a', 'b']);
    const from = sourcesIn(fleet, policy, oneOrigin);
    expect([from.get('b'), from.get('c')]).toEqual([new Set(['a']), new Set(['b'])]);
  });
});

describe('the order of leaders', () => {
  const order = (fleet: ReturnType<typeof view>, orderBy: LeaderOrder) =>
    planLeaders(targets('a', 'b', 'c'), fleet, { situation: 'automatic', orderBy }, oneOrigin).map(
      ({ segment }) => segment,
    );

  test('by distance: who is near the origin first, who was not measured last', () => {
    const links = [measured('b', { origin: 9 }), measured('c', { origin: 4 })];
    const fleet = view(led('a'), led('b'), led('c'), ...links);
    expect(order(fleet, LeaderOrder.DISTANCE)).toEqual(['c', 'b', 'a']);
  });

  test('by reliability: who failed least first', () => {
    const fleet = view(led('a'), led('b'), led('c'), failed('a'), received('c'));
    expect(order(fleet, LeaderOrder.RELIABILITY)).toEqual(['c', 'b', 'a']);
  });
});
