import { type DomainEvent, event, LeaderOrder } from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { origin } from '#libs/tree/hand-out.js';
import { CircularTree, InvalidOrder } from './errors.js';

export type TreePolicyEvent = DomainEvent<'TreeFixed' | 'TreeReleased'>;

/** The policy of every site that has none of its own. */
export const everySite = '*';

export type TreePolicyCommand =
  | {
      readonly type: 'fix';
      readonly site: string;
      readonly order: readonly string[];
      readonly sources: Readonly<Record<string, string>>;
    }
  | { readonly type: 'release'; readonly site: string; readonly orderBy: LeaderOrder };

/** Who decides in which order leaders receive, and from whom. */
export type TreePolicy =
  | { readonly situation: 'automatic'; readonly orderBy: LeaderOrder }
  | {
      readonly situation: 'fixed';
      /** Segments that come first, in this order. */
      readonly order: readonly string[];
      /** Segment to its source: `origin` or a segment. */
      readonly sources: ReadonlyMap<string, string>;
    };

export const automatic: TreePolicy = { situation: 'automatic', orderBy: LeaderOrder.CPU };

/** What an administrator says about the tree of one site. */
export const treePolicyAggregate: Aggregate<TreePolicy, TreePolicyCommand, TreePolicyEvent> = {
  type: 'tree',
  initial: automatic,
  evolve,
  decide,
};

function evolve(_state: TreePolicy, happened: TreePolicyEvent): TreePolicy {
  switch (happened.type) {
    case 'TreeFixed': {
      const { order, sources } = happened.data;
      return { situation: 'fixed', order, sources: new Map(Object.entries(sources)) };
    }
    case 'TreeReleased':
      return { situation: 'automatic', orderBy: happened.data.orderBy || LeaderOrder.CPU };
  }
}

/** @throws CircularTree, InvalidOrder */
function decide(command: TreePolicyCommand, state: TreePolicy): TreePolicyEvent[] {
  const { site } = command;
  if (command.type === 'release') {
    const orderBy = command.orderBy || LeaderOrder.CPU;
    const isSame = state.situation === 'automatic' && state.orderBy === orderBy;
    return isSame ? [] : [event('TreeReleased', { site, orderBy })];
  }
  const { order, sources } = command;
  if (new Set(order).size !== order.length) throw new InvalidOrder('a segment is named twice');
  if (order.length === 0 && Object.keys(sources).length === 0) {
    throw new InvalidOrder('neither an order nor a source is given');
  }
  requireTree(new Map(Object.entries(sources)));
  const fixed = event('TreeFixed', { site, order: [...order], sources: { ...sources } });
  return isFixedSo(state, order, sources) ? [] : [fixed];
}

function isFixedSo(
  state: TreePolicy,
  order: readonly string[],
  sources: Readonly<Record<string, string>>,
): boolean {
  if (state.situation !== 'fixed') return false;
  const entries = Object.entries(sources);
  return (
    state.order.length === order.length &&
    state.order.every((segment, at) => segment === order[at]) &&
    state.sources.size === entries.length &&
    entries.every(([segment, source]) => state.sources.get(segment) === source)
  );
}

/** Whoever follows the sources comes to the origin, or to a leader that the planner serves. */
function requireTree(sources: ReadonlyMap<string, string>): void {
  for (const segment of sources.keys()) {
    const way = new Set<string>();
    for (let at: string | undefined = segment; at && at !== origin; at = sources.get(at)) {
      if (way.has(at)) throw new CircularTree([...way, at]);
      way.add(at);
    }
  }
}
