import { describe, expect, test } from '@jest/globals';
import { overlap } from './overlap/overlap.js';

describe('many runs of one site, asked for at once of two replicas of the scheduler', () => {
  test('start one after the other in the order of the queue, and none is left', async () => {
    const result = await overlap({ runs: 120, replicas: 2, log: () => undefined });
    expect(result).toMatchObject({ started: 120, outOfOrder: 0, together: 0 });
  }, 180_000);
});
