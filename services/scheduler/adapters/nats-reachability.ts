import { fromBinary } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/nats-core';
import { SegmentStatusSchema, subjects } from '#libs/contracts/index.js';
import type { Reachability } from '../app/run-facts.js';

const answerWithinMs = 2_000;

/** Asks each leader, over NATS, who is in its segment now; nobody is reached by a silent one. */
export function natsReachability(nats: NatsConnection): Reachability {
  const membersOf = async (leader: string): Promise<string[]> => {
    try {
      const subject = subjects.segmentStatus(leader);
      const { data } = await nats.request(subject, undefined, { timeout: answerWithinMs });
      const { members } = fromBinary(SegmentStatusSchema, data);
      return [leader, ...members.map(({ node }) => node)];
    } catch {
      return [];
    }
  };
  return {
    async reachable(leaders) {
      return new Set((await Promise.all([...leaders.values()].map(membersOf))).flat());
    },
  };
}
