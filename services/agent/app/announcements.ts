import { create } from '@bufbuild/protobuf';
import {
  type ControlMessage,
  ControlMessageSchema,
  JobType,
  type Notification,
  type SessionAnnouncement,
  SessionAnnouncementSchema,
} from '#libs/contracts/index.js';
import { currentTraceparent } from '#libs/telemetry/trace-context.js';

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
    traceparent: currentTraceparent() ?? '',
  });
}

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
