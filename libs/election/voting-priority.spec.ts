import { describe, expect, it } from '@jest/globals';
import { highestMeasuredPriority, strengthOf, votingPriority } from './voting-priority.js';

describe('voting priority', () => {
  it('rises with each parameter of claim 37', () => {
    const none = votingPriority({});
    const each = [
      { userFactor: 1 },
      { knownMembers: 5 },
      { cpuCount: 4 },
      { memoryBytes: 2 ** 33 },
      { diskFreeBytes: 2 ** 37 },
      { networkMbitPerS: 1_000 },
      { uptimeMs: 86_400_000 },
      { contentShare: 1 },
      { ledRecently: true },
    ];
    for (const parameters of each) expect(votingPriority(parameters)).toBeGreaterThan(none);
    expect(none).toBe(1n);
  });

  it('lets a user factor beat every measurement', () => {
    const giant = {
      knownMembers: 1e6,
      cpuCount: 1e6,
      memoryBytes: 1e18,
      diskFreeBytes: 1e18,
      networkMbitPerS: 1e6,
      uptimeMs: 1e15,
      contentShare: 1,
      ledRecently: true,
    };
    expect(votingPriority(giant)).toBeLessThanOrEqual(highestMeasuredPriority);
    expect(votingPriority({ userFactor: 1 })).toBeGreaterThan(votingPriority(giant));
  });

  it('is a share between 0 and 1 that keeps the order', () => {
    const shares = [0n, 1n, 500n, 1_000n, 9_000n].map(strengthOf);
    expect([...shares].sort((a, b) => a - b)).toEqual(shares);
    expect(strengthOf(2n ** 64n - 1n)).toBeLessThanOrEqual(1);
  });
});
