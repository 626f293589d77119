import { describe, expect, test } from '@jest/globals';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { scheduleTogether } from './clock.js';

describe('what recurs', () => {
  test('wakes the process together with all that wait as long, or a multiple of it', () => {
    const clock = new VirtualClock(5_000);
    const woken: string[] = [];
    const wakes = (name: string) => () => void woken.push(`${name} at ${clock.nowMs()}`);
    scheduleTogether(clock, 600, wakes('first'));
    clock.advance(100);
    scheduleTogether(clock, 600, wakes('second'));
    scheduleTogether(clock, 1_200, wakes('third'));
    clock.advance(1_100);
    expect(woken).toEqual(['first at 5600', 'second at 5600', 'third at 6200']);
  });

  test('waits a whole time when a timer ended a little early', () => {
    const clock = new VirtualClock(5_000);
    let woken = 0;
    scheduleTogether(clock, 600, () => undefined);
    clock.advance(599);
    scheduleTogether(clock, 600, () => woken++);
    clock.advance(600);
    expect(woken).toBe(0);
    clock.advance(1);
    expect(woken).toBe(1);
  });

  test('can be ended', () => {
    const clock = new VirtualClock(0);
    let woken = 0;
    scheduleTogether(clock, 600, () => woken++)();
    clock.advance(1_000);
    expect(woken).toBe(0);
  });
});
