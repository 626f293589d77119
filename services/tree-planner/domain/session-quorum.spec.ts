import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { CommitPolicySchema } from '#libs/contracts/index.js';
import { sessionQuorum } from './session-quorum.js';

function quorumOf(policy: MessageInitShape<typeof CommitPolicySchema>, members: number): number {
  return sessionQuorum(create(CommitPolicySchema, policy), members);
}

describe('a multicast session', () => {
  test('serves everybody where the run asks for no quorum, or for all', () => {
    expect(sessionQuorum(undefined, 10)).toBe(0);
    expect(quorumOf({}, 10)).toBe(0);
    expect(quorumOf({ quorum: { case: 'all', value: true } }, 10)).toBe(0);
  });

  test('may end with the share of the members that the run asks for, one at least', () => {
    expect(quorumOf({ quorum: { case: 'percent', value: 90 } }, 11)).toBe(10);
    expect(quorumOf({ quorum: { case: 'percent', value: 0 } }, 11)).toBe(1);
  });

  test('may end with a number of members only where that is meant of each segment', () => {
    const quorum = { case: 'count' as const, value: 3 };
    expect(quorumOf({ quorum, eachSegment: true }, 10)).toBe(3);
    expect(quorumOf({ quorum }, 10)).toBe(0);
  });
});
