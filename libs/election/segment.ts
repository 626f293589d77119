import type { Clock, Random } from '#libs/clock/clock.js';
import type { AssignmentReport, Register, SessionAnnouncement } from '#libs/contracts/index.js';
import type { ControlPort, UdpAddress } from '#libs/multicast/control-port.js';
import type { SegmentTimings } from './timings.js';

/** The leader that a segment follows. */
export interface SegmentLeader {
  readonly node: string;
  readonly term: bigint;
  /** HTTP base URL of the leader. */
  readonly httpUrl: string;
  /** Where its control messages come from; `undefined` when it is this node. */
  readonly from?: UdpAddress;
}

/** A registered member; the leader itself is one, with `address` undefined. */
export interface SegmentMember {
  readonly register: Register;
  readonly address?: UdpAddress;
}

export interface CollectOptions {
  /** Wait before the first request; default `requestIntervalMs`. */
  readonly firstRequestAfterMs?: number;
  readonly requestIntervalMs?: number;
  readonly requestLimit?: number;
}

/** What a segment tells the agent. Called outside of any send; may call the segment back. */
export interface SegmentListener {
  /** No leader: a vote is going on. */
  onLeaderChanged?(leader: SegmentLeader | undefined, isMe: boolean): void;
  /** At the leader: members came, went or changed; one call per burst. The reason names them. */
  onMembersChanged?(members: readonly SegmentMember[], reason: string): void;
  /** Sessions that the leader announced, with a Leader Alive or by themselves. Repeated often. */
  onAnnouncements?(announcements: readonly SessionAnnouncement[], from: UdpAddress): void;
  /** Every report that arrives at the leader, repeated ones too. */
  onReport?(report: AssignmentReport): void;
  /** A report that no collection waits for, or that came when its collection had ended. */
  onLateReport?(report: AssignmentReport): void;
  /** Two living agents use one name: this node's, or, at the leader, a member's. */
  onIdentityConflict?(node: string): void;
  /** The leader has a newer segment key than some, and may have moved the segment elsewhere. */
  onLeaderNews?(news: { newestKeyEpoch: number; channel?: UdpAddress }): void;
  /** For logs: the election's state changed. */
  onElectionState?(from: string, to: string, reason: string): void;
}

export interface SegmentOptions extends SegmentListener {
  readonly port: ControlPort;
  readonly clock: Clock;
  readonly random: Random;
  /** Name of this node. */
  readonly node: string;
  readonly timings: SegmentTimings;
  /** Voting priority, see `votingPriority`; 0n never leads. */
  readonly priority: () => bigint;
  /** This node's description; the leader fills in address and port from the datagram. */
  readonly describe: () => Register;
  /** Running sessions, sent inside every Leader Alive. */
  readonly announcements: () => readonly SessionAnnouncement[];
  /** Of the newest segment key that this node has; 0 when it does not matter. */
  readonly newestKeyEpoch?: () => number;
  /** As a leader: where it has moved the segment to. */
  readonly movedChannel?: () => UdpAddress | undefined;
}
