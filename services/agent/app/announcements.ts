import { create, toBinary } from '@bufbuild/protobuf';
import {
  type ControlMessage,
  ControlMessageSchema,
  JobType,
  type Notification,
  type SessionAnnouncement,
  SessionAnnouncementSchema,
} from '#libs/contracts/index.js';
import type { SegmentMember } from '#libs/election/segment.js';
import { sessionIdOf } from '#libs/multicast/data-frame.js';
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
    sessionId: sessionIdOf(containerDigest),
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
  announcement: SessionAnnouncement,
  node: string,
): Pick<PullRequest, 'sourceUrls' | 'firstPatience'> {
  const { unicastUrl } = announcement;
  const { relayUrl, depth } = placeOf(announcement, announcement.participants.indexOf(node));
  if (relayUrl === undefined) return { sourceUrls: [unicastUrl] };
  const firstPatience = { waitMs: (depth - 1) * waitPerLevelMs, stallMs: relayStallMs };
  return { sourceUrls: [relayUrl, unicastUrl], firstPatience };
}

/** Where a participant stands. @param at its index in this announcement */
export function placeOf(
  { breadth, relayUrls, firstParticipant, firstRelay }: SessionAnnouncement,
  at: number,
): { readonly depth: number; readonly relayUrl?: string } {
  const { parent, depth } = breadth > 0 ? memberPlace(breadth, firstParticipant + at) : noPlace;
  const relayUrl = parent === undefined ? undefined : relayUrls[parent - firstRelay];
  return relayUrl === undefined ? { depth: 1 } : { depth, relayUrl };
}

/** What names take in one announcement, so that it fits a datagram. */
const namesBytes = 40_000;

/** The same in announcements that fit a datagram, each with the relays of its participants. */
export function inDatagrams(announcement: SessionAnnouncement): SessionAnnouncement[] {
  const { participants, relayUrls } = announcement;
  const parts: SessionAnnouncement[] = [];
  let [first, bytes] = [0, 0];
  for (const [index, node] of participants.entries()) {
    const ownBytes = Buffer.byteLength(node) + Buffer.byteLength(relayUrls[index] ?? '');
    if (bytes + ownBytes > namesBytes && index > first) {
      parts.push(partOf(announcement, first, index));
      [first, bytes] = [index, 0];
    }
    bytes += ownBytes;
  }
  return [...parts, partOf(announcement, first, participants.length)];
}

function partOf(whole: SessionAnnouncement, first: number, end: number): SessionAnnouncement {
  const { breadth, participants, relayUrls } = whole;
  const parentOf = (index: number) =>
    breadth > 0 ? memberPlace(breadth, index).parent : undefined;
  const firstRelay = parentOf(first) ?? 0;
  const endRelay = (parentOf(end - 1) ?? -1) + 1;
  return {
    ...whole,
    ...{ participants: participants.slice(first, end), firstParticipant: first },
    ...{ relayUrls: relayUrls.slice(firstRelay, endRelay), firstRelay },
  };
}

/** As many of them as fit a datagram, from `turn` on: who repeats them takes turns. */
export function fittingAnnouncements(
  all: readonly SessionAnnouncement[],
  turn: number,
): SessionAnnouncement[] {
  const fitting: SessionAnnouncement[] = [];
  let room = repeatedBytes;
  for (let at = 0; at < all.length && fitting.length < repeatedAtOnce; at++) {
    const next = all[(turn + at) % all.length];
    if (!next) break;
    const bytes = toBinary(SessionAnnouncementSchema, next).length;
    if (bytes > room) continue;
    fitting.push(next);
    room -= bytes;
  }
  return fitting;
}

/** Of a Leader Alive, which has to be one datagram. */
const repeatedBytes = 50_000;
const repeatedAtOnce = 8;
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
