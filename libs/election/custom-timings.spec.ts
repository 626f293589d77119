import { describe, expect, it } from '@jest/globals';
import { SimulatedSegment } from '#libs/testkit/simulated-segment.js';
import { BadTiming, customTimings } from './custom-timings.js';
import { fastTimings, standardTimings } from './timings.js';

describe('timings that an administrator gives', () => {
  it('replace those of the preset, the others stay', () => {
    const given = { leaderAlivePeriodMs: '200', heartbeatMs: '5000', requestLimit: '3' };
    expect(customTimings(standardTimings, given)).toEqual({
      election: { ...standardTimings.election, leaderAlivePeriodMs: 200 },
      registration: { ...standardTimings.registration, heartbeatMs: 5_000 },
      reports: { ...standardTimings.reports, requestLimit: 3 },
    });
  });

  it('are those by which a segment notices that its leader is gone', () => {
    const given = { leaderAlivePeriodMs: '200', silenceLimitMs: '1000' };
    const segment = new SimulatedSegment(1, { timings: customTimings(fastTimings, given) });
    for (const [n, name] of ['a', 'b', 'c'].entries()) segment.start(name, BigInt(10 * (n + 1)));
    segment.passUntil(() => segment.isSettled(), 2_000);
    segment.crash(segment.leaders()[0] ?? '');
    expect(segment.passUntil(() => segment.isSettled(), 2_500)).toBeGreaterThan(800);
  });

  it.each([
    ['an unknown name', { leaderAlive: '1000' }, 'leaderAlive is unknown'],
    ['no number', { heartbeatMs: 'soon' }, 'heartbeatMs=soon'],
    ['zero', { quietMs: '0' }, 'quietMs=0'],
    ['a limit that three lost datagrams exceed', { silenceLimitMs: '2000' }, 'silenceLimitMs'],
    ['a vote shorter than a claim takes', { votingWindowMs: '300' }, 'votingWindowMs'],
    ['an expiry within two signs of life', { heartbeatMs: '6000' }, 'expiryMs=10000'],
    ['more than all participants', { broadcastAboveShare: '1.5' }, 'broadcastAboveShare=1.5'],
  ])('are refused for %s', (_, given, named) => {
    const attempt = () => customTimings(fastTimings, given as Record<string, string>);
    expect(attempt).toThrow(BadTiming);
    expect(attempt).toThrow(named);
  });

  it('of both presets agree with each other', () => {
    for (const preset of [standardTimings, fastTimings]) {
      expect(customTimings(preset, {})).toEqual(preset);
    }
  });
});
