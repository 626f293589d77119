import { create, equals } from '@bufbuild/protobuf';
import {
  type DomainEvent,
  event,
  type NetworkSegmentReport,
  type Register,
  RegisterSchema,
  type SegmentChanged,
  SegmentChangedSchema,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';

export type SegmentEvent = DomainEvent<'SegmentChanged'>;

/** A report of the segment's leader, and when it was made by the leader's clock. */
export interface SegmentReported {
  readonly report: NetworkSegmentReport;
  readonly reportedAtMs: number;
}

export type Segment =
  | { readonly situation: 'unknown' }
  | { readonly situation: 'known'; readonly membership: SegmentChanged };

/** One LAN: its leader and its whole membership, as the leader last reported them. */
export const segmentAggregate: Aggregate<Segment, NetworkSegmentReport, SegmentEvent> = {
  type: 'segment',
  initial: { situation: 'unknown' },
  evolve: (_state, { data }) => ({ situation: 'known', membership: data }),
  decide,
};

function decide(report: NetworkSegmentReport, state: Segment): SegmentEvent[] {
  const { segment, leader, term, httpUrl, reason } = report;
  const members = [...report.members].sort((a, b) => (a.node < b.node ? -1 : 1));
  const changed = event('SegmentChanged', { segment, leader, term, httpUrl, members, reason });
  if (state.situation === 'unknown') return [changed];
  return sameMembership(changed.data, state.membership) ? [] : [changed];
}

/**
 * Whether a report is of a leader that another has replaced: its term is over, and it was made
 * before the segment last changed. (A segment that starts anew may begin with a lower term.)
 */
export function isOutdated(
  { report, reportedAtMs }: SegmentReported,
  known: { readonly term: bigint; readonly changedAtMs: number } | undefined,
): boolean {
  return known !== undefined && report.term < known.term && reportedAtMs < known.changedAtMs;
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
  const { node, address, port, httpUrl, agentType, labels } = member;
  const liveVersions = [...member.liveVersions].sort((a, b) => (a.site < b.site ? -1 : 1));
  return create(RegisterSchema, { node, address, port, httpUrl, agentType, labels, liveVersions });
}
