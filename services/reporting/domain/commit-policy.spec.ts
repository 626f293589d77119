import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { CommitPolicySchema, GoLive } from '#libs/contracts/index.js';
import { goLiveStep, minimumLeadMs, quorumOf } from './commit-policy.js';

describe('the quorum', () => {
  it.each([
    [undefined, 1],
    [{ case: 'all', value: true }, 10],
    [{ case: 'count', value: 4 }, 4],
    [{ case: 'percent', value: 75 }, 8],
    [{ case: 'percent', value: 1 }, 1],
  ] as const)('of %j of ten servers is %d', (quorum, needed) => {
    expect(quorumOf(create(CommitPolicySchema, { quorum }), 10).needed).toBe(needed);
  });
});

describe('going live', () => {
  const step = (policy: Parameters<typeof create<typeof CommitPolicySchema>>[1], nowMs = 1_000) =>
    goLiveStep(create(CommitPolicySchema, policy), false, nowMs);

  it('is at once, each server on receipt, unless the policy says more', () => {
    expect(step({})).toEqual({ kind: 'commit', switchAtMs: 0 });
  });

  it('is at one moment when the commit has a lead', () => {
    expect(step({ switchLeadMs: 500n })).toEqual({ kind: 'commit', switchAtMs: 1_500 });
  });

  it('waits for an approval where it is manual', () => {
    const manual = create(CommitPolicySchema, { goLive: GoLive.MANUAL });
    expect(goLiveStep(manual, false, 1_000)).toEqual({ kind: 'wait-for-approval' });
    expect(goLiveStep(manual, true, 1_000)).toEqual({ kind: 'commit', switchAtMs: 0 });
  });

  it('at a time is committed early enough to be everywhere, and late when it is late', () => {
    const at = { goLive: GoLive.AT, atMs: 60_000n };
    expect(step(at)).toEqual({ kind: 'wait', untilMs: 60_000 - minimumLeadMs });
    expect(step({ ...at, switchLeadMs: 9_000n })).toEqual({ kind: 'wait', untilMs: 51_000 });
    expect(step(at, 59_000)).toEqual({ kind: 'commit', switchAtMs: 60_000 });
    expect(step(at, 70_000)).toEqual({ kind: 'commit', switchAtMs: 60_000 });
  });
});
