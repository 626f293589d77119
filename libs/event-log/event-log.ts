import type {
  AggregateId,
  AggregateType,
  DomainEvent,
  EventContext,
  RecordedEvent,
} from '#libs/contracts/index.js';

/** What an aggregate looked like when it was read; an append expects it unchanged. */
export interface AggregateHead {
  /** Log sequence of its last event; 0: it has none. */
  readonly sequence: number;
  /** Number of its events. */
  readonly version: number;
}

export const noEvents: AggregateHead = { sequence: 0, version: 0 };

/** One aggregate's share of an atomic append. */
export interface AggregateAppend {
  readonly aggregate: AggregateId;
  readonly expected: AggregateHead;
  readonly events: readonly DomainEvent[];
}

/** What to read: everything after a position, optionally only some aggregates. */
export interface LogFilter {
  /** Events with a greater sequence; 0 is from the beginning. */
  readonly afterSequence: number;
  readonly aggregateTypes?: readonly AggregateType[];
  readonly partitions?: readonly number[];
  /** Gives each event its stored text too (`stored`), for copies and comparisons. */
  readonly withStored?: boolean;
}

/** An endless read: ends only with `close`. Survives restarts of the server without loss. */
export interface LogSubscription<Item = RecordedEvent> extends AsyncIterable<Item> {
  close(): Promise<void>;
}

/** The place of an event that a reader left out, so that it knows how far it has read. */
export interface Passed {
  readonly type: 'Passed';
  readonly sequence: number;
}

/** What the server behind a log can do, probed at start. */
export interface LogCapabilities {
  readonly server: string;
  /** Appends to several aggregates, all or nothing. */
  readonly atomicAppend: boolean;
  /** Acknowledged means on disk. */
  readonly durableAcknowledgement: boolean;
}

/**
 * The log of domain events, the source of truth.
 *
 * Events of one aggregate are in order and without gaps of `version`. `append` is all or nothing
 * for one call's events of one aggregate as seen by `read`, and idempotent: the same causation id
 * and aggregate give the same events back, however often and however late it is repeated.
 */
export interface EventLog {
  readonly capabilities: LogCapabilities;
  /**
   * Appends after `expected`.
   * @returns the recorded events; those of the first call when this is a repetition
   * @throws VersionConflict when the aggregate is not as expected
   * @throws LogUnavailable when the log cannot be reached in time; nothing is known to be appended
   */
  append(
    aggregate: AggregateId,
    expected: AggregateHead,
    events: readonly DomainEvent[],
    context: EventContext,
    timeMs: number,
  ): Promise<RecordedEvent[]>;
  /**
   * Appends to several aggregates, all or nothing.
   * @throws AtomicAppendUnsupported where the server cannot; compensate instead
   */
  appendAtomically(
    appends: readonly AggregateAppend[],
    context: EventContext,
    timeMs: number,
  ): Promise<RecordedEvent[]>;
  /** The events of one aggregate after a sequence, oldest first; empty for an unknown one. */
  read(aggregate: AggregateId, afterSequence?: number): Promise<RecordedEvent[]>;
  /** The events that are in the log now. */
  replay(filter: LogFilter): AsyncIterable<RecordedEvent>;
  /** The events that are in the log now, then those to come. */
  subscribe(filter: LogFilter): LogSubscription;
  /**
   * As `subscribe`, for readers that share the rows of read models: `partitions` are those of
   * `partitionOfRows`. Of events in other partitions it gives the places only.
   */
  follow(filter: LogFilter): LogSubscription<RecordedEvent | Passed>;
  /** Sequence of the newest event; 0 for an empty log. */
  lastSequence(): Promise<number>;
}

export class VersionConflict extends Error {
  override readonly name = 'VersionConflict';
  constructor(
    readonly aggregate: AggregateId,
    expected: AggregateHead,
  ) {
    super(`${aggregate.type} ${aggregate.id} is not at version ${expected.version} any more`);
  }
}

export class LogUnavailable extends Error {
  override readonly name = 'LogUnavailable';
}

export class AtomicAppendUnsupported extends Error {
  override readonly name = 'AtomicAppendUnsupported';
}
