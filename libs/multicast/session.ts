import type { SessionAnnouncement } from '#libs/contracts/index.js';

/** Size of the units that are verified after the head. */
export const blockBytes = 64 * 1024;

/** Containers up to this size go over the control channel, without a session's preliminaries. */
export const inlineBytes = 8 * 1024;

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** How a session went, for the leader. Every participant is in `complete` or in `unicast`. */
export interface SessionOutcome {
  /** Nodes that acknowledged the whole container, participants or late joiners. */
  readonly complete: readonly string[];
  /** Nodes that must be served by unicast: silent, cut off from multicast, or without progress. */
  readonly unicast: readonly string[];
  /** Content bytes of the first pass. */
  readonly multicastBytes: number;
  /** Content bytes of all later passes. */
  readonly repairBytes: number;
  readonly passes: number;
  readonly durationMs: number;
}

/** What a member does about an announced container. */
export type Decision = 'have' | 'need' | 'ignore';

/**
 * Why a session ended without the whole container. `unicast`: pull it from the announcement's
 * `unicastUrl`; `silence`: the leader is gone; `failed`: the sink threw; `closed`: by `close()`.
 */
export type StopReason = 'unicast' | 'silence' | 'failed' | 'closed';

/** Where a member keeps the container it receives. */
export interface SessionSink {
  /** What is on disk and verified from before (whole head, whole blocks). */
  readonly held: readonly ByteRange[];
  /** Bytes that may be wrong still; the caller's again once this has returned or resolved. */
  writeAt(offset: number, bytes: Uint8Array): void | Promise<void>;
  /** What it gives is good until the next call. */
  readAt(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /** Called before any block is verified. False: the head is received again. */
  verifyHead(head: Uint8Array): boolean | Promise<boolean>;
  /** `index` counts 64 KiB blocks after the head. False: the block is received again. */
  verifyBlock(index: number, block: Uint8Array): boolean | Promise<boolean>;
  /** The whole container is written and verified. The leader is told when this has resolved. */
  done(): Promise<void>;
  /** The session ended early; what is on disk may serve a later one. */
  stopped(reason: StopReason): Promise<void>;
}

/** What the leader says of the container; the rest of the announcement follows from the channel. */
export interface SessionSubject {
  readonly assignmentId: string;
  /** SHA-256 of the whole container. */
  readonly containerDigest: Uint8Array;
  readonly containerBytes: number;
  /** The first bytes, covered by the signature; at least 1. */
  readonly headBytes: number;
  /** Where members can pull the container over HTTP. */
  readonly unicastUrl: string;
  /** W3C trace context of what the session is part of. */
  readonly traceparent?: string;
}

/** Decides whether an announced container is wanted. */
export type Wants = (announcement: SessionAnnouncement) => Decision;
