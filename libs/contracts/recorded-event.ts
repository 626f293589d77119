import type { DomainEvent, EventType } from './event-catalogue.js';

/** The kinds of aggregate; each has one owner service, the only one that appends to it. */
export type AggregateType =
  | 'site'
  | 'group'
  | 'node'
  | 'segment'
  | 'tree'
  | 'job'
  | 'claim'
  | 'run'
  | 'rollout'
  | 'changeset'
  | 'assignment'
  | 'distribution'
  | 'run-in-segment'
  | 'outcome'
  | 'shadow'
  | 'checkpoint'
  | 'webhook';

/** One aggregate: one subject of the log. `id` is one subject token (see `subjectToken`). */
export interface AggregateId {
  readonly type: AggregateType;
  readonly id: string;
}

/** Why an event exists and who wanted it; travels with every event. */
export interface EventContext {
  /** Who: a user, a service or an agent, e.g. `cli:root`, `service:delta`, `agent:paris-1`. */
  readonly actor: string;
  /** What it belongs to: the run's id, or the command's. */
  readonly correlationId: string;
  /** The event or command that caused it; appends are idempotent by it. */
  readonly causationId: string;
  /** W3C trace context. */
  readonly traceparent?: string;
  /** Why, in the words of who commanded it. */
  readonly reason?: string;
}

/** An event as the log holds it. */
export type RecordedEvent<T extends EventType = EventType> = DomainEvent<T> & {
  readonly id: string;
  readonly aggregate: AggregateId;
  /** Position in the log: rises, with gaps. */
  readonly sequence: number;
  /** Position in the aggregate: 1, 2, 3 without gaps. */
  readonly version: number;
  readonly timeMs: number;
  readonly context: EventContext;
  /** The event as the log holds it, to the letter; only where a reader asked for it. */
  readonly stored?: string;
};
