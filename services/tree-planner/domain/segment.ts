import { create, equals } from '@bufbuild/protobuf';
import {
  type DomainEvent,
  event,
  type LinkReport,
  type MeasuredLink,
  type NetworkSegmentReport,
  type Register,
  RegisterSchema,
  type SegmentChanged,
  SegmentChangedSchema,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { InvalidPlace, InvalidSegmentName, UnknownSegment } from './errors.js';

export type SegmentEvent = DomainEvent<
  'SegmentChanged' | 'SegmentRenamed' | 'SegmentLocated' | 'LinksMeasured'
>;

/** A report of the segment's leader, and when it was made by the leader's clock. */
export interface SegmentReported {
  readonly report: NetworkSegmentReport;
  readonly reportedAtMs: number;
}

/** Where an administrator says that a segment is; empty: what its leader says counts. */
export interface Place {
  readonly location: string;
  /** IANA name. */
  readonly timeZone: string;
  readonly region: string;
}

export type SegmentCommand =
  | { readonly type: 'report'; readonly report: NetworkSegmentReport }
  | { readonly type: 'measure'; readonly report: LinkReport }
  /** One of its servers has left for good, perhaps its leader. */
  | { readonly type: 'leave'; readonly node: string }
  /** People call it so from now on; empty: by its own name. */
  | { readonly type: 'rename'; readonly segment: string; readonly name: string }
  | ({ readonly type: 'locate'; readonly segment: string } & Place);

export type Segment =
  | { readonly situation: 'unknown' }
  | {
      readonly situation: 'known';
      readonly membership: SegmentChanged;
      readonly name: string;
      readonly place: Place;
      readonly links: readonly MeasuredLink[];
    };

export const nowhere: Place = { location: '', timeZone: '', region: '' };

/** One LAN: its leader and whole membership as reported, its name and place, its leader's links. */
export const segmentAggregate: Aggregate<Segment, SegmentCommand, SegmentEvent> = {
  type: 'segment',
  initial: { situation: 'unknown' },
  evolve,
  decide,
};

function evolve(state: Segment, happened: SegmentEvent): Segment {
  if (happened.type === 'SegmentChanged') {
    const membership = happened.data;
    if (state.situation === 'known') return { ...state, membership };
    return { situation: 'known', membership, name: '', place: nowhere, links: [] };
  }
  if (state.situation === 'unknown') return state;
  switch (happened.type) {
    case 'SegmentRenamed':
      return { ...state, name: happened.data.name };
    case 'SegmentLocated': {
      const { location, timeZone, region } = happened.data;
      return { ...state, place: { location, timeZone, region } };
    }
    case 'LinksMeasured':
      return { ...state, links: happened.data.links };
  }
}

/** @throws UnknownSegment, InvalidSegmentName, InvalidPlace */
function decide(command: SegmentCommand, state: Segment): SegmentEvent[] {
  if (command.type === 'report') return report(command.report, state);
  if (command.type === 'measure') {
    if (state.situation === 'unknown') return [];
    const { segment, links } = command.report;
    return isNews(links, state.links) ? [event('LinksMeasured', { segment, links })] : [];
  }
  if (command.type === 'leave') return leave(command.node, state);
  const { segment } = command;
  if (state.situation === 'unknown') throw new UnknownSegment(segment);
  if (command.type === 'rename') {
    const { name } = command;
    if (name !== '' && !/^\S(.{0,61}\S)?$/u.test(name)) throw new InvalidSegmentName(name);
    return name === state.name ? [] : [event('SegmentRenamed', { segment, name })];
  }
  const { location, timeZone, region } = command;
  requirePlace({ location, timeZone, region });
  const known = state.place;
  const isSame =
    location === known.location && timeZone === known.timeZone && region === known.region;
  return isSame ? [] : [event('SegmentLocated', { segment, location, timeZone, region })];
}

function report(from: NetworkSegmentReport, state: Segment): SegmentEvent[] {
  const { segment, leader, term, httpUrl, reason } = from;
  const members = [...from.members].sort((a, b) => (a.node < b.node ? -1 : 1));
  const changed = event('SegmentChanged', { segment, leader, term, httpUrl, members, reason });
  if (state.situation === 'unknown') return [changed];
  return sameMembership(changed.data, state.membership) ? [] : [changed];
}

/** Without its leader it is led by nobody until another reports. */
function leave(node: string, state: Segment): SegmentEvent[] {
  if (state.situation === 'unknown') return [];
  const { membership } = state;
  const isLed = membership.leader !== node;
  const members = membership.members.filter((member) => member.node !== node);
  if (isLed && members.length === membership.members.length) return [];
  const leader = isLed ? { leader: membership.leader, httpUrl: membership.httpUrl } : {};
  const { segment, term } = membership;
  const reason = `${node} is removed`;
  return [event('SegmentChanged', { segment, term, members, reason, ...leader })];
}

function requirePlace({ location, timeZone, region }: Place): void {
  for (const text of [location, region]) {
    if (text.length > 63) throw new InvalidPlace(`${text} is longer than 63 characters`);
  }
  if (timeZone === '') return;
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    throw new InvalidPlace(`${timeZone} is not the name of a time zone`);
  }
}

/** A round trip that differs by less is the same link in another minute. */
const notableShare = 0.5;
const notableUs = 5_000;

/** Round trips change all the time: only what changes plans is worth an event. */
function isNews(links: readonly MeasuredLink[], known: readonly MeasuredLink[]): boolean {
  if (links.length !== known.length) return true;
  const before = new Map(known.map((link) => [link.peer, link]));
  return links.some(({ peer, isReachable, rttUs }) => {
    const old = before.get(peer);
    if (old?.isReachable !== isReachable) return true;
    const difference = Math.abs(rttUs - old.rttUs);
    return difference > notableUs && difference > notableShare * old.rttUs;
  });
}

/**
 * Whether a report is of a leader that another has replaced: its term is over, and it was made
 * before the segment last changed. (A segment that starts anew may begin with a lower term.)
 */
export function isOutdated(
  { report: reported, reportedAtMs }: SegmentReported,
  known: { readonly term: bigint; readonly changedAtMs: number } | undefined,
): boolean {
  return known !== undefined && reported.term < known.term && reportedAtMs < known.changedAtMs;
}

/** Capacity changes all the time and the reason is only told: neither makes a change. */
function sameMembership(a: SegmentChanged, b: SegmentChanged): boolean {
  return equals(SegmentChangedSchema, essence(a), essence(b));
}

function essence({ segment, leader, term, httpUrl, members }: SegmentChanged): SegmentChanged {
  const essential = members.map(essenceOfMember);
  return create(SegmentChangedSchema, { segment, leader, term, httpUrl, members: essential });
}

function essenceOfMember(member: Register): Register {
  const { node, address, port, httpUrl, agentType, labels, timeZone, isLeaf } = member;
  const liveVersions = [...member.liveVersions].sort((a, b) => (a.site < b.site ? -1 : 1));
  const essential = { node, address, port, httpUrl, agentType, labels, timeZone, isLeaf };
  return create(RegisterSchema, { ...essential, liveVersions });
}
