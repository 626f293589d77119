import { describe, expect, it } from '@jest/globals';
import { type DomainEvent, event, type RecordedEvent } from '#libs/contracts/index.js';
import { firstP99Ms, followLog, nothingFollowed, p99Of } from './followed-runs.js';

const committedAtMs = 10_000;

/** A run of which servers were ready so many milliseconds after the commit. */
function run(runId: string, site: string, readyAfterMs: readonly number[], lead = {}) {
  const nodes = readyAfterMs.map((afterMs, index) => ({
    ...{ node: `n${index}`, readyAtMs: BigInt(committedAtMs + afterMs) },
  }));
  return [
    event('RunStarted', { runId, site }),
    event('CommitIssued', { runId, site, switchAtMs: 1n, predictedP99Ms: 1, ...lead }),
    event('SegmentSwitched', { runId, segment: 'paris', nodes }),
    event('RunCompleted', { runId, site }),
  ];
}

function following(...runs: DomainEvent[][]) {
  return runs.flat().reduce((state, { type, data }, index) => {
    const recorded = { type, data, sequence: index + 1, timeMs: committedAtMs };
    return followLog(state, recorded as unknown as RecordedEvent);
  }, nothingFollowed);
}

describe('the time that a commit is predicted to take', () => {
  it('is what the commits before took to be at 99 of 100 servers', () => {
    const times = [...Array.from({ length: 99 }, (_, index) => index), 9_000];
    expect(p99Of(following(run('r1', 'www', times)).times, 'www')).toBe(98);
  });

  it('is not changed much by a server that was away once', () => {
    const { times } = following(
      ...[80, 90, 60_000, 100, 70].map((ms, index) => run(`r${index}`, 'www', [ms])),
    );
    expect(p99Of(times, 'www')).toBe(90);
  });

  it('follows a fleet that became slower within a few commits', () => {
    const { times } = following(
      ...[80, 90, 80, 500, 510, 520].map((ms, index) => run(`r${index}`, 'www', [ms])),
    );
    expect(p99Of(times, 'www')).toBe(500);
  });

  it('is that of other sites for a site without a commit, and a guess before the first', () => {
    expect(p99Of(nothingFollowed.times, 'www')).toBe(firstP99Ms);
    expect(p99Of(following(run('r1', 'docs', [33])).times, 'www')).toBe(33);
  });

  it('does not follow from runs with a given lead, in which servers take their time', () => {
    const given = { switchAtMs: 70_000n, predictedP99Ms: 0 };
    const { times } = following(run('r1', 'www', [59_000], given));
    expect(p99Of(times, 'www')).toBe(firstP99Ms);
  });

  it('is limited: a lead is a time in which nothing happens', () => {
    expect(p99Of(following(run('r1', 'www', [90_000])).times, 'www')).toBe(15_000);
  });
});
