import { type Hop, type OriginTurn, originTurn } from '#libs/tree/hand-out.js';
import type { HandOutConfig } from '../config.js';
import type { Slot } from './distribution.js';
import type { Delivery, PlannerView } from './planner-view.js';
import { type Origins, regionOf } from './reach.js';

/** What this process did about one segment of one delivery; forgotten when it ends. */
export interface Contact {
  readonly leader: string;
  /** `due`: tell it again, at `lastAtMs`. `asking`: a notification is on its way. */
  readonly standing: 'due' | 'asking' | 'answered' | 'silent' | 'given-up';
  /** Notifications in a row that were not answered. */
  readonly unanswered: number;
  readonly lastAtMs: number;
}

/** By `contactKey`. */
export type Contacts = ReadonlyMap<string, Contact>;

export interface Telling {
  readonly assignmentId: string;
  readonly segment: string;
  readonly leader: string;
}

export interface ToDo {
  /** Tell these from the origin now. */
  readonly notify: readonly Telling[];
  /** These do not answer. */
  readonly giveUp: readonly Telling[];
  /** When there may be more to do without anything happening; undefined: never. */
  readonly nextAtMs: number | undefined;
}

export function contactKey(assignmentId: string, segment: string): string {
  return `${assignmentId}/${segment}`;
}

/**
 * Whom the origin tells now. A leader is told when it is the origin's turn to hand out; and told
 * again while its segment's outcome is not in the log, when
 *
 * - it did not answer (with growing delays, up to a limit: then it has failed);
 * - it is another leader than the one that was told, or it appeared again (its contact is `due`);
 * - this process was not there when it was told (`startedAtMs`);
 * - another leader was to tell it and it has not received in time;
 * - it has worked for long (a reminder).
 *
 * Telling a leader once too often is harmless: agents ignore what they already do. The answer
 * depends on nothing but the arguments, so asking again changes nothing.
 */
export function whoToNotify(
  view: PlannerView,
  contacts: Contacts,
  startedAtMs: number,
  config: HandOutConfig,
  nowMs: number,
  origins: Origins = new Map(),
): ToDo {
  const notify: Telling[] = [];
  const giveUp: Telling[] = [];
  let nextAtMs: number | undefined;
  const wakeAt = (atMs: number | undefined) => {
    if (atMs !== undefined) nextAtMs = Math.min(nextAtMs ?? atMs, atMs);
  };
  for (const delivery of view.deliveries.values()) {
    const { assignmentId } = delivery.assignment;
    for (const turn of turnsOf(delivery, view, config, nowMs, origins)) {
      wakeAt(turn.nextAtMs);
      for (const { segment } of turn.now) {
        notify.push({ assignmentId, segment, leader: leaderOf(view, segment) });
      }
    }
    for (const slot of toldSlots(delivery)) {
      const { segment } = slot;
      const leader = leaderOf(view, segment);
      if (leader === '') continue;
      const contact = contacts.get(contactKey(assignmentId, segment));
      const sinceMs = delivery.sinceMs.get(segment) ?? 0;
      const due = dueAgain({ slot, sinceMs, leader, contact }, startedAtMs, config);
      if (due === 'never') continue;
      if (due === 'give-up') giveUp.push({ assignmentId, segment, leader });
      else if (due <= nowMs) notify.push({ assignmentId, segment, leader });
      else wakeAt(due);
    }
  }
  return { notify, giveUp, nextAtMs };
}

/** The leader a segment has now; empty when it has none. */
export function leaderOf(view: PlannerView, segment: string): string {
  return view.segments.get(segment)?.leader ?? '';
}

/** One for each region: each has an origin, and no leader of another to hand on to its own. */
function turnsOf(
  delivery: Delivery,
  view: PlannerView,
  config: HandOutConfig,
  nowMs: number,
  origins: Origins,
): OriginTurn<Slot & Hop>[] {
  const hops = slotsOf(delivery).map((slot) => ({
    ...slot,
    sinceMs: delivery.sinceMs.get(slot.segment) ?? 0,
  }));
  const { distribution } = delivery;
  const planned = distribution.situation === 'unplanned' ? 0 : distribution.originFanOut;
  const originFanOut = planned || config.originFanOut;
  const { handOutTimeoutMs: quietMs, hungMs } = config;
  const limits = { originFanOut, quietMs, hungMs };
  const regions = new Map<string, (Slot & Hop)[]>();
  for (const hop of hops) {
    const region = regionOf(view, hop.segment, origins);
    const own = regions.get(region);
    if (own) own.push(hop);
    else regions.set(region, [hop]);
  }
  const isReachable = ({ segment }: Hop & Slot) => leaderOf(view, segment) !== '';
  return [...regions.values()].map((own) => originTurn(own, isReachable, limits, nowMs));
}

function toldSlots(delivery: Delivery): Slot[] {
  return slotsOf(delivery).filter(
    ({ standing, segment }) => standing !== 'waiting' && !delivery.reported.has(segment),
  );
}

function slotsOf({ distribution }: Delivery): Slot[] {
  return distribution.situation === 'unplanned' ? [] : [...distribution.slots.values()];
}

interface Told {
  readonly slot: Slot;
  /** When the log last said something of the slot. */
  readonly sinceMs: number;
  readonly leader: string;
  readonly contact: Contact | undefined;
}

/** When a segment that was told is due to be told again. */
function dueAgain(
  { slot, sinceMs, leader, contact }: Told,
  startedAtMs: number,
  config: HandOutConfig,
): number | 'never' | 'give-up' {
  const now = Number.NEGATIVE_INFINITY;
  if (contact?.leader === leader) {
    switch (contact.standing) {
      case 'due':
        return contact.lastAtMs;
      case 'asking':
      case 'given-up':
        return 'never';
      case 'answered':
        return contact.lastAtMs + config.reminderMs;
      case 'silent':
        if (contact.unanswered >= config.maxAttempts) return 'give-up';
        return contact.lastAtMs + config.retryMs * 2 ** (contact.unanswered - 1);
    }
  }
  if (slot.leader !== leader || sinceMs < startedAtMs) return now;
  switch (slot.standing) {
    case 'notified':
      return sinceMs + config.handOutTimeoutMs;
    case 'received':
      return sinceMs + config.reminderMs;
    case 'failed':
    case 'waiting':
      return 'never';
  }
}
