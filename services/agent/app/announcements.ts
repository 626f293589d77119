import { create } from '@bufbuild/protobuf';
import {
  type ControlMessage,
  ControlMessageSchema,
  JobType,
  type Notification,
  type SessionAnnouncement,
  SessionAnnouncementSchema,
} from '#libs/contracts/index.js';
import type { SegmentMember } from '#libs/election/segment.js';
import { currentTraceparent } from '#libs/telemetry/trace-context.js';
import { type MemberPlace, memberPlace, memberTree } from '#libs/tree/member-tree.js';
import type { PullRequest } from '../adapters/pull-request.js';

/** The announcement of a container that is to be pulled: it is not multicast. */
export function unicastAnnouncement(
  notification: Notification,
  participants: readonly string[],
  leaderUrl: string,
): SessionAnnouncement {
  const { assignmentId, containerDigest, containerBytes } = notification;
  return create(SessionAnnouncementSchema, {
    sessionId: containerDigest.subarray(0, 8),
    assignmentId,
    containerDigest,
    containerBytes,
    participants: [...participants],
    unicastUrl: leaderUrl,
    unicast: true,
    traceparent: currentTraceparent() ?? '',
  });
}

/**
 * The same, pulled through a tree of the participants where that spares the leader's link.
 * @param members registered ones; who is unknown, or takes no connections, passes nothing on
 */
export function treeAnnouncement(
  notification: Notification,
  participants: readonly string[],
  leaderUrl: string,
  members: readonly SegmentMember[],
): SessionAnnouncement {
  const { containerBytes } = notification;
  const tree = memberTree(participants.length, Number(containerBytes));
  if (!tree) return unicastAnnouncement(notification, participants, leaderUrl);
  const able = members.filter(({ register }) => register.httpUrl !== '' && !register.isLeaf);
  const urls = new Map(able.map(({ register }) => [register.node, register.httpUrl]));
  const relays = participants.filter((node) => urls.has(node));
  const others = participants.filter((node) => !urls.has(node));
  return {
    ...unicastAnnouncement(notification, [...relays, ...others], leaderUrl),
    breadth: tree.breadth,
    relayUrls: relays.slice(0, tree.relays).map((node) => urls.get(node) ?? ''),
  };
}

/** Where a participant pulls a container that is not multicast from, best first. */
export function unicastSources(
  { breadth, participants, relayUrls, unicastUrl }: SessionAnnouncement,
  node: string,
): Pick<PullRequest, 'sourceUrls' | 'firstPatience'> {
  const index = participants.indexOf(node);
  const { parent, depth } = breadth > 0 ? memberPlace(breadth, index) : noPlace;
  const relayUrl = parent === undefined ? undefined : relayUrls[parent];
  if (relayUrl === undefined) return { sourceUrls: [unicastUrl] };
  const firstPatience = { waitMs: (depth - 1) * waitPerLevelMs, stallMs: relayStallMs };
  return { sourceUrls: [relayUrl, unicastUrl], firstPatience };
}

const noPlace: MemberPlace = { depth: 1 };
/** How long a member that passes on may take for a block: slower ones are no help. */
const relayStallMs = 2_000;
/**
 * Longer than `relayStallMs`: when a relay fails, only those turn to the leader who pulled from
 * it, while those below them still wait.
 */
const waitPerLevelMs = 3_000;

/** The announcement to those who have not done what the others have. */
export function lateAnnouncement(
  notification: Notification,
  missed: readonly string[],
  leaderUrl: string,
): SessionAnnouncement {
  const lateSite = notification.type === JobType.SWITCH ? notification.site : '';
  return { ...unicastAnnouncement(notification, missed, leaderUrl), lateSite };
}

/** As a message of the control channel. */
export function messageOf(value: SessionAnnouncement): ControlMessage {
  return create(ControlMessageSchema, { message: { case: 'sessionAnnouncement', value } });
}

export function isUnicast(announcement: SessionAnnouncement): boolean {
  return announcement.unicast;
}

export function digestOf({ containerDigest }: { containerDigest: Uint8Array }): string {
  return Buffer.from(containerDigest).toString('hex');
}
