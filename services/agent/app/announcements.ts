import { create } from '@bufbuild/protobuf';
import {
  type Notification,
  type SessionAnnouncement,
  SessionAnnouncementSchema,
} from '#libs/contracts/index.js';

/** The announcement of a container that is to be pulled from the leader: it is not multicast. */
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
  });
}

export function isUnicast(announcement: SessionAnnouncement): boolean {
  return announcement.unicast;
}

export function digestOf({ containerDigest }: { containerDigest: Uint8Array }): string {
  return Buffer.from(containerDigest).toString('hex');
}
