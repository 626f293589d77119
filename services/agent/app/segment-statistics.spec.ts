import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import {
  MissingFramesSchema,
  RegisterSchema,
  SessionAnnouncementSchema,
} from '#libs/contracts/index.js';
import { type ChannelFacts, SegmentStatistics } from './segment-statistics.js';

const sessionId = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const leader = { node: 'a', term: 3n, httpUrl: '' };
const members = ['a', 'b', 'c'].map((node) => ({ register: create(RegisterSchema, { node }) }));
const facts: ChannelFacts = {
  mode: 'mixed',
  controlChannel: '239.255.1.2:20000',
  keyEpoch: 2,
  peers: [
    { node: 'b', address: { address: '10.0.0.2', port: 1 }, mode: 'multicast' },
    { node: 'c', address: { address: '10.0.0.3', port: 1 }, mode: 'unicast' },
  ],
  dropped: { stale: 4, forged: 0 },
};

function missing(node: string, missingTotal: number, pass = 1) {
  return create(MissingFramesSchema, { node, sessionId, pass, missingTotal });
}

describe('what a leader tells of its segment', () => {
  test('names the loss of each member: what it missed in first passes', () => {
    const statistics = new SegmentStatistics('lan');
    const announcement = { sessionId, containerBytes: 100_000n, frameBytes: 1_000 };
    statistics.announced(create(SessionAnnouncementSchema, announcement));
    for (const answer of [missing('b', 5), missing('b', 5), missing('b', 1, 2), missing('c', 0)]) {
      statistics.missing(answer);
    }
    const { members: told } = statistics.status(leader, members, facts);
    expect(told.map(({ node, mode, lossPerMillion }) => [node, mode, lossPerMillion])).toEqual([
      ['a', 'leader', 0],
      ['b', 'multicast', 50_000],
      ['c', 'unicast', 0],
    ]);
  });

  test('names from whom each member was told to pull the newest container, and how deep', () => {
    const statistics = new SegmentStatistics('lan');
    const urlOf = (node: string) => `https://${node}`;
    const known = ['a', 'b', 'c', 'd', 'e'].map((node) => ({
      register: create(RegisterSchema, { node, httpUrl: urlOf(node) }),
    }));
    const tree = {
      ...{ assignmentId: 'new', participants: ['b', 'c', 'd', 'e'], unicastUrl: urlOf('a') },
      ...{ breadth: 2, relayUrls: [urlOf('b')] },
    };
    const old = { assignmentId: 'old', participants: ['a'], unicastUrl: urlOf('z') };
    statistics.toldToPull(create(SessionAnnouncementSchema, old));
    statistics.toldToPull(create(SessionAnnouncementSchema, tree));
    const { members: told } = statistics.status(leader, known, facts);
    expect(told.map(({ node, pullsFrom, depth }) => [node, pullsFrom, depth])).toEqual([
      ['a', '', 0],
      ['b', 'a', 1],
      ['c', 'a', 1],
      ['d', 'b', 2],
      ['e', 'b', 2],
    ]);
  });

  test('says when the leader was elected and what had ended before', () => {
    const statistics = new SegmentStatistics('lan');
    statistics.leaderChanged('b', 1_000);
    expect(statistics.status(leader, [], facts)).toMatchObject({ electionReason: 'started' });
    statistics.electionState('leader-known', 'leader-silent');
    statistics.electionState('leader-unknown', 'claim-delay-over');
    statistics.leaderChanged(undefined, 8_000);
    statistics.leaderChanged('a', 9_000);
    statistics.leaderChanged('a', 10_000);
    const status = statistics.status(leader, [], facts);
    expect(status).toMatchObject({ electedAtMs: 9_000n, electionReason: 'leader-silent' });
  });

  test('sums up the sessions and takes the channel as it is', () => {
    const statistics = new SegmentStatistics('lan');
    const outcome = { complete: [], unicast: [], passes: 1, durationMs: 500 };
    statistics.sessionEnded(sessionId, { ...outcome, multicastBytes: 1_000, repairBytes: 100 });
    statistics.sessionEnded(sessionId, { ...outcome, multicastBytes: 3_000, repairBytes: 0 });
    statistics.servedByUnicast(7);
    expect(statistics.status(leader, [], facts)).toMatchObject({
      sessions: 2,
      multicastBytes: 4_000n,
      repairBytes: 100n,
      unicastBytes: 7n,
      throughputBytesPerS: 4_000n,
      keyEpoch: 2,
      mode: 'mixed',
      dropped: { stale: 4n },
    });
  });
});
