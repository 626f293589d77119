import {
  type ClaimQueued,
  type ClaimTaken,
  type DomainEvent,
  event,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';

export type ClaimEvent = DomainEvent<'ClaimTaken' | 'ClaimQueued' | 'ClaimReleased'>;

/** What to do about a run that another one is in the way of. */
export type OnConflict = 'queue' | 'cancel' | 'replace' | 'refuse';

/** What a run wants of a site. */
export interface Wish {
  readonly runId: string;
  readonly nodes: readonly string[];
  /** It changes what is live on the site, so that no other that does may run. */
  readonly movesLiveVersion: boolean;
  /** Nobody asked for it: it gives way to one that somebody asks for. */
  readonly automatic: boolean;
  /** Who of a kind waits may be replaced by another of its kind. */
  readonly kind: string;
}

export type ClaimCommand =
  | { readonly type: 'claim'; readonly wish: Wish; readonly onConflict: OnConflict }
  | { readonly type: 'release'; readonly runId: string };

/** A run that holds servers of the site, or waits for them. */
export interface Entry {
  readonly runId: string;
  readonly nodes: ReadonlySet<string>;
  readonly movesLiveVersion: boolean;
  readonly automatic: boolean;
  readonly kind: string;
}

/** Which runs may touch which servers of a site now, and who comes next. */
export interface Claim {
  readonly site: string;
  readonly holders: readonly Entry[];
  /** First come, first served, except that who is in nobody's way need not wait. */
  readonly queue: readonly Entry[];
}

/**
 * The right to change servers of a site: the lease of runs. It is an aggregate of the log, so two
 * runs that conflict never pass the check together, whoever checks. Its owner's end releases it.
 */
export function claimAggregate(site: string): Aggregate<Claim, ClaimCommand, ClaimEvent> {
  return {
    type: 'claim',
    initial: { site, holders: [], queue: [] },
    evolve,
    decide: (command, claim) =>
      command.type === 'release'
        ? release(claim, command.runId)
        : answer(claim, command.wish, command.onConflict).events,
  };
}

/** The first run that stands in the way of one: one that holds, or one that was here before. */
export function inTheWay(claim: Claim, wish: Wish): string | undefined {
  const place = claim.queue.findIndex(({ runId }) => runId === wish.runId);
  const isHolder = claim.holders.some(({ runId }) => runId === wish.runId);
  const before = isHolder ? [] : place < 0 ? claim.queue : claim.queue.slice(0, place);
  const isInTheWay = (entry: Entry) => entry.runId !== wish.runId && conflicts(entry, wish);
  return (claim.holders.find(isInTheWay) ?? before.find(isInTheWay))?.runId;
}

/** What becomes of a wish. */
export interface Answer {
  readonly events: readonly ClaimEvent[];
  /** The run in the way; undefined: the run has its claim. */
  readonly blockingRunId?: string;
  /** The run waits in the queue; otherwise, with a run in the way, it has no place. */
  readonly isQueued: boolean;
  /** Runs that gave way or were replaced. */
  readonly displaced: readonly { readonly runId: string; readonly reason: string }[];
}

/** Answers a wish: runs that nobody asked for give way to one that somebody asks for. */
export function answer(claim: Claim, wish: Wish, onConflict: OnConflict): Answer {
  const events: ClaimEvent[] = [];
  let state = claim;
  const displaced: { runId: string; reason: string }[] = [];
  for (const runId of givingWay(claim, wish)) {
    const gone = release(state, runId);
    events.push(...gone);
    state = gone.reduce(evolve, state);
    displaced.push({ runId, reason: 'another run was asked for' });
  }
  const blockingRunId = inTheWay(state, wish);
  const taken = take(state, wish, onConflict, blockingRunId);
  events.push(...taken);
  for (const { type, data } of taken) {
    if (type !== 'ClaimQueued' || data.replacedRunId === '') continue;
    displaced.push({ runId: data.replacedRunId, reason: `run ${wish.runId} replaces it` });
  }
  const waits = () => state.queue.some(({ runId }) => runId === wish.runId);
  const isQueued =
    taken.some(({ type }) => type === 'ClaimQueued') || (taken.length === 0 && waits());
  // Nobody gives way to a run that does not take the place.
  if (blockingRunId && !isQueued) return { events: [], blockingRunId, isQueued, displaced: [] };
  return { events, ...(blockingRunId ? { blockingRunId } : {}), isQueued, displaced };
}

/** Holders and waiting runs that nobody asked for, in the way of one that somebody asks for. */
function givingWay(claim: Claim, wish: Wish): string[] {
  if (wish.automatic) return [];
  const givesWay = (entry: Entry) => entry.automatic && conflicts(entry, wish);
  return [...claim.holders.filter(givesWay), ...claim.queue.filter(givesWay)].map(
    ({ runId }) => runId,
  );
}

function evolve(claim: Claim, happened: ClaimEvent): Claim {
  const { runId } = happened.data;
  switch (happened.type) {
    case 'ClaimTaken':
      return {
        ...claim,
        holders: [...without(claim.holders, runId), entryOf(happened.data)],
        queue: without(claim.queue, runId),
      };
    case 'ClaimQueued': {
      const entry = { ...entryOf(happened.data), kind: happened.data.kind };
      const { replacedRunId } = happened.data;
      const place = claim.queue.findIndex(
        (waiting) => waiting.runId === runId || waiting.runId === replacedRunId,
      );
      const holders = without(claim.holders, runId);
      if (place < 0) return { ...claim, holders, queue: [...claim.queue, entry] };
      return { ...claim, holders, queue: claim.queue.with(place, entry) };
    }
    case 'ClaimReleased':
      return {
        ...claim,
        holders: without(claim.holders, runId),
        queue: without(claim.queue, runId),
      };
  }
}

/** Queues are long where runs overlap: what stays is not looked at twice. */
function without(entries: readonly Entry[], runId: string): readonly Entry[] {
  const place = entries.findIndex((entry) => entry.runId === runId);
  return place < 0 ? entries : entries.toSpliced(place, 1);
}

/** No event: the run has what it wants, waits in its place already, or is to be cancelled. */
function take(
  claim: Claim,
  wish: Wish,
  onConflict: OnConflict,
  blockingRunId: string | undefined,
): ClaimEvent[] {
  const { site } = claim;
  const { runId, movesLiveVersion, automatic, kind } = wish;
  const common = { site, runId, nodes: [...wish.nodes], movesLiveVersion, automatic };
  if (!blockingRunId) {
    const held = claim.holders.find((holder) => holder.runId === runId);
    return held && isSame(held, wish) ? [] : [event('ClaimTaken', common)];
  }
  const waiting = claim.queue.find((entry) => entry.runId === runId);
  if (waiting && isSame(waiting, wish)) return [];
  if (!waiting && (onConflict === 'cancel' || onConflict === 'refuse')) return [];
  const replaced = onConflict === 'replace' && !waiting ? replaceable(claim, wish) : undefined;
  const replacedRunId = replaced?.runId ?? '';
  return [event('ClaimQueued', { ...common, kind, blockingRunId, replacedRunId })];
}

/** One append takes no more; who is left goes on when one of these ends. */
const mostAtOnce = 400;

/** The release, and everybody who can go on because of it, in the order of the queue. */
function release(claim: Claim, runId: string): ClaimEvent[] {
  const isIt = (entry: Entry) => entry.runId === runId;
  if (!claim.holders.some(isIt) && !claim.queue.some(isIt)) return [];
  const released = event('ClaimReleased', { site: claim.site, runId });
  const after = evolve(claim, released);
  const before = new Before(after.holders);
  const taken: ClaimEvent[] = [];
  for (const next of after.queue) {
    const isBlocked = before.conflictsWith(next);
    before.add(next);
    if (isBlocked || taken.length === mostAtOnce) continue;
    const { movesLiveVersion, automatic } = next;
    const data = { site: claim.site, runId: next.runId, nodes: [...next.nodes] };
    taken.push(event('ClaimTaken', { ...data, movesLiveVersion, automatic }));
  }
  return [released, ...taken];
}

/** All that hold or wait before a run: it conflicts with any of them, or with none. */
class Before {
  private readonly nodes = new Set<string>();
  private movesLiveVersion = false;
  /** Their servers are looked at when somebody asks: in a queue of publications nobody does. */
  private readonly unseen: Entry[] = [];

  constructor(entries: readonly Entry[]) {
    for (const entry of entries) this.add(entry);
  }

  add(entry: Entry): void {
    this.movesLiveVersion ||= entry.movesLiveVersion;
    this.unseen.push(entry);
  }

  conflictsWith(entry: Entry): boolean {
    if (this.movesLiveVersion && entry.movesLiveVersion) return true;
    for (const { nodes } of this.unseen.splice(0)) for (const node of nodes) this.nodes.add(node);
    for (const node of entry.nodes) if (this.nodes.has(node)) return true;
    return false;
  }
}

function replaceable(claim: Claim, { kind }: Wish): Entry | undefined {
  return claim.queue.findLast((entry) => entry.kind === kind);
}

function conflicts(
  a: Pick<Entry, 'nodes' | 'movesLiveVersion'>,
  b: { readonly nodes: Iterable<string>; readonly movesLiveVersion: boolean },
): boolean {
  if (a.movesLiveVersion && b.movesLiveVersion) return true;
  for (const node of b.nodes) if (a.nodes.has(node)) return true;
  return false;
}

function isSame(entry: Entry, { nodes, movesLiveVersion }: Wish): boolean {
  if (entry.movesLiveVersion !== movesLiveVersion || entry.nodes.size !== nodes.length) {
    return false;
  }
  return nodes.every((node) => entry.nodes.has(node));
}

function entryOf({ runId, nodes, movesLiveVersion, automatic }: ClaimTaken | ClaimQueued): Entry {
  return { runId, nodes: new Set(nodes), movesLiveVersion, automatic, kind: '' };
}
