import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { CommitPolicySchema, GoLive, RunTargetSchema } from '#libs/contracts/index.js';
import { goLiveStep, minimumLeadMs, quorumOf, quorumProblem } from './commit-policy.js';

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

describe('the prepared servers', () => {
  const target = (segment: string, ...nodes: string[]) =>
    create(RunTargetSchema, { segment, nodes });
  const targets = [target('paris', 'a', 'b', 'c'), target('rome', 'd')];
  const half = { quorum: { case: 'percent', value: 50 } } as const;

  it('are counted together', () => {
    const prepared = [target('paris', 'a', 'b')];
    expect(quorumProblem(create(CommitPolicySchema, half), targets, prepared)).toBe(undefined);
    expect(quorumProblem(create(CommitPolicySchema, half), targets, [])).toBe(
      '0 of 4 servers are prepared, the quorum is 50%',
    );
  });

  it('are counted by segment where the policy says so', () => {
    const policy = create(CommitPolicySchema, { ...half, eachSegment: true });
    expect(quorumProblem(policy, targets, [target('paris', 'a', 'b', 'c')])).toBe(
      '0 of 1 servers of rome are prepared, the quorum is 50%',
    );
    const both = [target('paris', 'a', 'c'), target('rome', 'd')];
    expect(quorumProblem(policy, targets, both)).toBe(undefined);
  });
});

describe('going live', () => {
  const step = (policy: Parameters<typeof create<typeof CommitPolicySchema>>[1], nowMs = 1_000) =>
    goLiveStep(create(CommitPolicySchema, policy), false, nowMs, 40);

  it('is at one moment, ahead by twice the time in which the commit will be everywhere', () => {
    expect(step({})).toEqual({ kind: 'commit', switchAtMs: 1_080 });
  });

  it('is ahead by the lead that the policy gives', () => {
    expect(step({ switchLeadMs: 500n })).toEqual({ kind: 'commit', switchAtMs: 1_500 });
  });

  it.each([{ switchOnReceipt: true }, { goLive: GoLive.ON_APPLY }])(
    'is at once, each server on receipt, with %j',
    (policy) => {
      expect(step(policy)).toEqual({ kind: 'commit', switchAtMs: 0 });
    },
  );

  it('waits for an approval where it is manual', () => {
    const manual = create(CommitPolicySchema, { goLive: GoLive.MANUAL });
    expect(goLiveStep(manual, false, 1_000, 40)).toEqual({ kind: 'wait-for-approval' });
    expect(goLiveStep(manual, true, 1_000, 40)).toEqual({
      ...{ kind: 'commit', switchAtMs: 1_080 },
    });
  });

  it('at a time is committed early enough to be everywhere, and late when it is late', () => {
    const at = { goLive: GoLive.AT, atMs: 60_000n };
    expect(step(at)).toEqual({ kind: 'wait', untilMs: 60_000 - minimumLeadMs });
    expect(step({ ...at, switchLeadMs: 9_000n })).toEqual({ kind: 'wait', untilMs: 51_000 });
    expect(step(at, 59_000)).toEqual({ kind: 'commit', switchAtMs: 60_000 });
    expect(step(at, 70_000)).toEqual({ kind: 'commit', switchAtMs: 70_080 });
  });
});
