import { describe, expect, test } from '@jest/globals';
import { overlap } from './overlap/overlap.js';

describe('many runs of one site, asked for at once of two replicas of the scheduler', () => {
  test('start one after the other in the order of the queue, and none is left', async () => {
    const log = () => undefined;
    const result = await overlap({ runs: 40, replicas: 2, patienceMs: 100_000, log });
    expect(result).toMatchObject({ started: 40, outOfOrder: 0, together: 0 });
  }, 240_000);
});
