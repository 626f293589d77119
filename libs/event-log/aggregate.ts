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
  const states = statesOf(log, aggregate) as StateCache<State>;
  const { state: before, head } = states.get(id) ?? { state: aggregate.initial, head: noEvents };
  const events = await log.read({ type: aggregate.type, id }, head.sequence);
  const last = events.at(-1);
  if (!last) return { state: before, head };
  const loaded = {
    state: events.reduce(
      (state, event) => aggregate.evolve(state, event as unknown as Event),
      before,
    ),
    head: { sequence: last.sequence, version: last.version },
  };
  states.set(id, loaded);
  return loaded;
}

const keptStates = 2_000;

/**
 * The states of the aggregates that were loaded last: a load reads only what came after. A site's
 * ledger grows with every run, and is not read from its beginning for each.
 */
class StateCache<State> {
  private readonly byId = new Map<string, Loaded<State>>();

  get(id: string): Loaded<State> | undefined {
    return this.byId.get(id);
  }

  set(id: string, loaded: Loaded<State>): void {
    const present = this.byId.get(id);
    if (present && present.head.sequence > loaded.head.sequence) return;
    this.byId.delete(id);
    this.byId.set(id, loaded);
    if (this.byId.size <= keptStates) return;
    for (const oldest of this.byId.keys()) {
      this.byId.delete(oldest);
      return;
    }
  }
}

const caches = new WeakMap<EventLog, WeakMap<object, StateCache<unknown>>>();

function statesOf(log: EventLog, aggregate: object): StateCache<unknown> {
  const ofLog = caches.get(log) ?? new WeakMap<object, StateCache<unknown>>();
  caches.set(log, ofLog);
  const states = ofLog.get(aggregate) ?? new StateCache<unknown>();
  ofLog.set(aggregate, states);
  return states;
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
