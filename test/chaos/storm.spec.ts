import { describe, expect, test } from '@jest/globals';
import { storm } from './storm/storm.js';

describe('a control plane whose processes are killed at random', () => {
  test('loses no event, does nothing twice, and ends every run', async () => {
    const result = await storm({
      seed: 1,
      minutes: 0.25,
      sites: 8,
      segments: 2,
      replicas: 2,
      killEveryMs: 1_500,
      log: () => undefined,
    });
    expect(result.findings).toEqual([]);
    expect(result).toMatchObject({ lostEvents: 0, doubleEffects: 0, auditSound: true });
    expect(result.kills).toBeGreaterThan(4);
    expect(result.finalStates).toEqual({ completed: result.runs });
  }, 180_000);
});
