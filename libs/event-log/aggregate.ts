import type {
  AggregateType,
  DomainEvent,
  EventContext,
  RecordedEvent,
} from '#libs/contracts/index.js';
import { type AggregateHead, type EventLog, noEvents, VersionConflict } from './event-log.js';

/** An aggregate as pure functions: the shape of every `domain/<aggregate>.ts`. */
export interface Aggregate<State, Command, Event extends DomainEvent = DomainEvent> {
  readonly type: AggregateType;
  readonly initial: State;
  /** The state after one more event. */
  evolve(state: State, event: Event): State;
  /** What a command makes happen. A repeated command gives `[]`; an illegal one throws. */
  decide(command: Command, state: State): readonly Event[];
}

export interface Loaded<State> {
  readonly state: State;
  readonly head: AggregateHead;
}

export async function load<State, Command, Event extends DomainEvent>(
  log: EventLog,
  aggregate: Aggregate<State, Command, Event>,
  id: string,
): Promise<Loaded<State>> {
  const events = await log.read({ type: aggregate.type, id });
  const last = events.at(-1);
  return {
    state: events.reduce(
      (state, event) => aggregate.evolve(state, event as unknown as Event),
      aggregate.initial,
    ),
    head: last ? { sequence: last.sequence, version: last.version } : noEvents,
  };
}

const maxAttempts = 20;

/**
 * Loads, decides and appends; starts again when somebody else appended in between.
 * @throws what `decide` throws, VersionConflict after 20 lost races, LogUnavailable
 */
export async function execute<State, Command, Event extends DomainEvent>(
  log: EventLog,
  aggregate: Aggregate<State, Command, Event>,
  id: string,
  command: Command,
  context: EventContext,
  nowMs: number,
): Promise<RecordedEvent[]> {
  for (let attempt = 1; ; attempt++) {
    const { state, head } = await load(log, aggregate, id);
    const events = aggregate.decide(command, state);
    if (events.length === 0) return [];
    try {
      return await log.append({ type: aggregate.type, id }, head, events, context, nowMs);
    } catch (error) {
      if (!(error instanceof VersionConflict) || attempt === maxAttempts) throw error;
    }
  }
}
