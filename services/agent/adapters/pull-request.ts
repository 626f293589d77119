/** How long a source is waited for. */
export interface Patience {
  /** For bytes that are on their way to it. */
  readonly waitMs: number;
  /** For 64 KiB. */
  readonly stallMs: number;
}

export interface PullRequest {
  /** SHA-256 of the container, hex. */
  readonly digest: string;
  readonly containerBytes: number;
  /** HTTP base URLs, best first. */
  readonly sourceUrls: readonly string[];
  /** The sources of each stripe, best first; none: one stripe from `sourceUrls`. */
  readonly stripes?: readonly (readonly string[])[];
  /** How long the first of `sourceUrls` is waited for, if not as long as usual. */
  readonly firstPatience?: Patience;
  /** The container must be of this assignment. */
  readonly assignmentId?: string;
  /** Tells the source that a member of its own segment pulls. */
  readonly asMember: boolean;
  /** W3C trace context of the run; sources are told. */
  readonly traceparent?: string;
}

/** Thrown when no source gave the container in time. */
export class SourcesExhausted extends Error {
  override readonly name = 'SourcesExhausted';
}

/** Thrown when this server's own disk does not take the container; no other source helps. */
export class SpoolFailed extends Error {
  override readonly name = 'SpoolFailed';
}
