import { create } from '@bufbuild/protobuf';
import {
  type ControlMessage,
  ControlMessageSchema,
  IdentityConflictSchema,
  type LeaderAlive,
  LeaderAliveSchema,
  type LeaderClaim,
  LeaderClaimSchema,
  LeaveSchema,
  RegistrationReportSchema,
  type SessionAnnouncement,
} from '#libs/contracts/index.js';
import type { UdpAddress } from '#libs/multicast/control-port.js';
import type { Candidate } from './election-state.js';
import type { SegmentOptions } from './segment.js';

export type Message = ControlMessage['message'];
export type MessageOf<Case extends Message['case']> = Extract<Message, { case: Case }>['value'];

export function controlMessage(message: Message): ControlMessage {
  return create(ControlMessageSchema, { message });
}

/** What a Leader Alive tells besides who leads. */
export interface LeaderNews {
  readonly httpUrl: string;
  readonly sessions: readonly SessionAnnouncement[];
  readonly newestKeyEpoch: number;
  /** Where the segment talks, when it is not where members enter. */
  readonly channel?: UdpAddress;
}

export function leaderNews(options: SegmentOptions, httpUrl: string): LeaderNews {
  const { announcements, newestKeyEpoch, movedChannel } = options;
  return {
    httpUrl,
    sessions: announcements(),
    newestKeyEpoch: newestKeyEpoch?.() ?? 0,
    channel: movedChannel?.(),
  };
}

export function leaderAlive({ node, term, priority }: Candidate, news: LeaderNews): Message {
  const { httpUrl, newestKeyEpoch, channel } = news;
  const value = {
    node,
    term,
    priority,
    httpUrl,
    sessions: [...news.sessions],
    newestKeyEpoch,
    controlAddress: channel?.address ?? '',
    controlPort: channel?.port ?? 0,
  };
  return { case: 'leaderAlive', value: create(LeaderAliveSchema, value) };
}

export function leaderClaim({ node, term, priority }: Candidate): Message {
  return { case: 'leaderClaim', value: create(LeaderClaimSchema, { node, term, priority }) };
}

export function registrationReport(
  leader: string,
  term: bigint,
  nodes: readonly string[],
): Message {
  const value = create(RegistrationReportSchema, { leader, term, nodes: [...nodes] });
  return { case: 'registrationReport', value };
}

export function leave(node: string): Message {
  return { case: 'leave', value: create(LeaveSchema, { node }) };
}

export function identityConflict(node: string): Message {
  return { case: 'identityConflict', value: create(IdentityConflictSchema, { node }) };
}

/** Who speaks in a Leader Alive or a Leader Claim. */
export function candidateOf({ node, term, priority }: LeaderAlive | LeaderClaim): Candidate {
  return { node, term, priority };
}
