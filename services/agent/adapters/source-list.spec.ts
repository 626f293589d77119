import { describe, expect, test } from '@jest/globals';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { SourceList } from './source-list.js';

function sources(...urls: string[]) {
  const clock = new VirtualClock(1_000_000);
  const bad = new Set<string>();
  return { clock, bad, list: new SourceList(urls, bad, clock) };
}

describe('the sources of a stripe', () => {
  test('the planned one is asked as long as it works', async () => {
    const { list } = sources('planned', 'origin');
    expect(await list.next()).toBe('planned');
    list.succeeded('planned');
    expect(await list.next()).toBe('planned');
  });

  test('one that failed gives way for a while, and is tried again', async () => {
    const { list, clock } = sources('planned', 'origin');
    list.failed('planned', 0);
    expect(await list.next()).toBe('origin');
    clock.advance(2_000);
    expect(await list.next()).toBe('planned');
  });

  test('one that took long to fail gives way for longer', async () => {
    const { list, clock } = sources('planned', 'origin');
    list.failed('planned', 10_000);
    clock.advance(99_999);
    expect(await list.next()).toBe('origin');
    clock.advance(1);
    expect(await list.next()).toBe('planned');
  });

  test('the only one is tried again soon', async () => {
    const { list, clock } = sources('origin');
    list.failed('origin', 0);
    const next = list.next();
    clock.advance(100);
    expect(await next).toBe('origin');
  });

  test('one that sent wrong bytes is not asked again', async () => {
    const { list, bad } = sources('planned', 'origin');
    bad.add('planned');
    expect(await list.next()).toBe('origin');
    bad.add('origin');
    expect(await list.next()).toBeUndefined();
  });
});
