import {
  type DomainEvent,
  event,
  type LeaderReceived,
  type PlannedLeader,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { nextLeader } from '#libs/tree/hand-out.js';
import { NotInPlan, NotPlanned } from './errors.js';
import { type Slot, SlotTable } from './slot-table.js';

export type { Slot } from './slot-table.js';

export type DistributionEvent = DomainEvent<
  | 'DistributionPlanned'
  | 'LeaderNotified'
  | 'LeaderReceived'
  | 'LeaderFailed'
  | 'DistributionCompleted'
>;

/** What a leader reports that has everything. */
export type Reception = Omit<LeaderReceived, '$typeName' | 'runId'>;

export type DistributionCommand =
  | {
      readonly type: 'plan';
      readonly assignmentId: string;
      readonly runId: string;
      readonly leaders: readonly PlannedLeader[];
      readonly originFanOut: number;
    }
  /** The control plane tells leaders itself. */
  | {
      readonly type: 'notify';
      readonly tellings: readonly { readonly segment: string; readonly leader: string }[];
      readonly source: string;
    }
  /** A leader that has the assignment serves another; `segments`: the leaders it can serve now. */
  | {
      readonly type: 'hand-on';
      readonly asker: string;
      readonly segments: Pick<ReadonlyMap<string, { readonly leader: string }>, 'get' | 'has'>;
    }
  | { readonly type: 'receive'; readonly received: readonly Reception[] }
  | {
      readonly type: 'fail';
      readonly segment: string;
      readonly leader: string;
      readonly reason: string;
    };

interface Plan {
  readonly assignmentId: string;
  readonly runId: string;
  /** By segment, in the order of the plan. */
  readonly slots: SlotTable;
  /** How many leaders the origin serves at a time; 0: as many as it is configured to. */
  readonly originFanOut: number;
}

export type Distribution =
  | { readonly situation: 'unplanned' }
  | ({ readonly situation: 'under-way' } & Plan)
  /** Every leader received or failed. One that failed may still come back. */
  | ({ readonly situation: 'completed' } & Plan);

/** One assignment on its way to the leaders of its segments. */
export const distributionAggregate: Aggregate<
  Distribution,
  DistributionCommand,
  DistributionEvent
> = {
  type: 'distribution',
  initial: { situation: 'unplanned' },
  evolve,
  decide,
};

function evolve(state: Distribution, happened: DistributionEvent): Distribution {
  switch (happened.type) {
    case 'DistributionPlanned': {
      const { assignmentId, runId, leaders, originFanOut } = happened.data;
      const slots = SlotTable.of(leaders.map(waitingSlot));
      return { situation: 'under-way', assignmentId, runId, slots, originFanOut };
    }
    case 'LeaderNotified': {
      const { segment, leader, source } = happened.data;
      return withSlot(state, segment, { leader, source, standing: 'notified' });
    }
    case 'LeaderReceived': {
      const { segment, leader, source } = happened.data;
      return withSlot(state, segment, { leader, source, standing: 'received' });
    }
    case 'LeaderFailed':
      return withSlot(state, happened.data.segment, { standing: 'failed' });
    case 'DistributionCompleted':
      return state.situation === 'unplanned' ? state : { ...state, situation: 'completed' };
  }
}

function waitingSlot({ segment, leader, nodes, stripes }: PlannedLeader): Slot {
  const sources = stripes.map((stripe) => stripe.sources);
  return { segment, leader, nodes, standing: 'waiting', source: '', stripes: sources };
}

function withSlot(state: Distribution, segment: string, change: Partial<Slot>): Distribution {
  if (state.situation === 'unplanned') return state;
  const slot = state.slots.get(segment);
  if (!slot) return state;
  return { ...state, slots: state.slots.with({ ...slot, ...change }) };
}

/** @throws NotPlanned, NotInPlan */
function decide(command: DistributionCommand, state: Distribution): DistributionEvent[] {
  if (command.type === 'plan') {
    if (state.situation !== 'unplanned') return [];
    const { type: _, ...plan } = command;
    const planned = event('DistributionPlanned', { ...plan, leaders: [...plan.leaders] });
    return withCompletion(state, [planned]);
  }
  if (state.situation === 'unplanned') throw new NotPlanned();
  switch (command.type) {
    case 'notify':
      return notify(command, state);
    case 'hand-on':
      return handOn(command, state);
    case 'receive':
      return receive(command, state);
    case 'fail':
      return fail(command, state);
  }
}

type Command<T extends DistributionCommand['type']> = Extract<DistributionCommand, { type: T }>;
type Planned = Exclude<Distribution, { situation: 'unplanned' }>;

function notify({ tellings, source }: Command<'notify'>, state: Planned) {
  return tellings.flatMap(({ segment, leader }) => {
    const slot = slotOf(state, segment);
    const told = slot.standing === 'notified' || slot.standing === 'received';
    return told && slot.leader === leader ? [] : [notified(state, segment, leader, source)];
  });
}

function handOn({ asker, segments }: Command<'hand-on'>, state: Planned) {
  const { standing } = slotOf(state, asker);
  if (standing !== 'notified' && standing !== 'received') return [];
  const next = nextLeader(state.slots.values(), asker, ({ segment }) => segments.has(segment));
  const leader = next && segments.get(next.segment)?.leader;
  return next && leader ? [notified(state, next.segment, leader, asker)] : [];
}

/** Who is in no plan is passed over, unless it is the only one. */
function receive({ received }: Command<'receive'>, state: Planned): DistributionEvent[] {
  const [only] = received;
  if (only && received.length === 1) slotOf(state, only.segment);
  const { runId } = state;
  const once = new Map(received.map((reception) => [reception.segment, reception]));
  const events = [...once.values()]
    .filter(({ segment, leader }) => {
      const slot = state.slots.get(segment);
      return slot && !(slot.standing === 'received' && slot.leader === leader);
    })
    .map((reception) => event('LeaderReceived', { ...reception, runId }));
  return events.length === 0 ? [] : withCompletion(state, events);
}

function fail({ segment, leader, reason }: Command<'fail'>, state: Planned): DistributionEvent[] {
  const slot = slotOf(state, segment);
  if (slot.standing !== 'notified' || slot.leader !== leader) return [];
  const { assignmentId, runId } = state;
  const failed = event('LeaderFailed', { assignmentId, runId, segment, leader, reason });
  return withCompletion(state, [failed]);
}

function notified(state: Planned, segment: string, leader: string, source: string) {
  const { assignmentId, runId } = state;
  return event('LeaderNotified', { assignmentId, runId, segment, leader, source });
}

function slotOf({ assignmentId, slots }: Planned, segment: string): Slot {
  const slot = slots.get(segment);
  if (!slot) throw new NotInPlan(assignmentId, segment);
  return slot;
}

/** Adds `DistributionCompleted` when these events leave nobody waiting or pulling. */
function withCompletion(state: Distribution, events: DistributionEvent[]): DistributionEvent[] {
  const after = events.reduce(evolve, state);
  if (after.situation !== 'under-way') return events;
  const { assignmentId, runId, slots } = after;
  const open = slots
    .values()
    .some(({ standing }) => standing === 'waiting' || standing === 'notified');
  return open ? events : [...events, event('DistributionCompleted', { assignmentId, runId })];
}
