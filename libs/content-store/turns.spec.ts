import { describe, expect, test } from '@jest/globals';
import { atOnce, inTurns, type Steps } from './turns.js';

describe('work in steps', () => {
  function* work(until: number, log: string[] = []): Steps<number> {
    for (let step = 0; step < until; step++) {
      log.push('step');
      yield;
    }
    if (until < 0) throw new RangeError('no such work');
    return until;
  }

  test('gives the same at once and in turns', async () => {
    expect(atOnce(work(3))).toBe(3);
    expect(await inTurns(work(3), () => undefined)).toBe(3);
    expect(() => atOnce(work(-1))).toThrow(RangeError);
    await expect(inTurns(work(-1), () => undefined)).rejects.toThrow(RangeError);
  });

  test('lets others go first where there is a pause', async () => {
    const log: string[] = [];
    let steps = 0;
    const turn = async () => void log.push('pause');
    const pause = () => (++steps % 2 === 0 ? turn() : undefined);
    await inTurns(work(4, log), pause);
    expect(log).toEqual(['step', 'step', 'pause', 'step', 'step', 'pause']);
  });
});
