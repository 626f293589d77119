import type { NeedReport, StampEcho } from './missing-frames.js';
import { maxSilences, maxStalledPasses } from './timing.js';

/** What the leader knows of one participant. */
export interface Member {
  readonly standing: 'outstanding' | 'complete' | 'unicast';
  /** It has been heard of in this session: it listens. */
  readonly listens: boolean;
  /** Its report on the current pass is here. */
  readonly heard: boolean;
  /** Requests in a row that it did not answer. */
  readonly silences: number;
  /** The fewest frames it was ever missing, and how many of its reports have not beaten that. */
  readonly fewestMissing: number;
  readonly stalledPasses: number;
  /** Frames of the first pass that it could hear, and the share of them that it lost. */
  readonly expectedFrames: number;
  readonly lossShare: number;
}

export type Members = ReadonlyMap<string, Member>;

/** A participant's answer; nothing missing at all: it has everything. */
export interface Report extends NeedReport, StampEcho {
  readonly node: string;
}

export const newMember: Member = {
  standing: 'outstanding',
  listens: false,
  heard: false,
  silences: 0,
  fewestMissing: Number.POSITIVE_INFINITY,
  stalledPasses: 0,
  expectedFrames: 0,
  lossShare: 0,
};

/** Of fewer frames no share is told. */
const fewFrames = 32;

export function outstanding(members: Members): string[] {
  return [...members]
    .filter(([, member]) => member.standing === 'outstanding')
    .map(([node]) => node);
}

export function allHeard(members: Members): boolean {
  return [...members.values()].every((member) => member.standing !== 'outstanding' || member.heard);
}

export function allListen(members: Members): boolean {
  return [...members.values()].every(
    (member) => member.standing !== 'outstanding' || member.listens,
  );
}

/** Takes a report in; a node that was not on the list has joined late and is added. */
export function absorbReport(members: Members, report: Report, isAwaited: boolean): Members {
  const member = members.get(report.node) ?? newMember;
  const next = new Map(members);
  next.set(report.node, afterReport(member, report, isAwaited));
  return next;
}

function afterReport(member: Member, report: Report, isAwaited: boolean): Member {
  const heard = { ...member, silences: 0, listens: true };
  if (member.standing === 'complete') return member;
  if (report.unicastWanted) return { ...heard, standing: 'unicast' };
  if (report.missingTotal === 0) return { ...heard, standing: 'complete' };
  if (!isAwaited || report.moreFollow || member.heard) return heard;
  const isBetter = report.missingTotal < member.fewestMissing;
  const stalledPasses = isBetter ? 0 : member.stalledPasses + 1;
  return {
    ...heard,
    heard: true,
    standing: stalledPasses >= maxStalledPasses ? 'unicast' : member.standing,
    fewestMissing: Math.min(member.fewestMissing, report.missingTotal),
    stalledPasses,
    ...(report.expectedFrames >= fewFrames && {
      expectedFrames: report.expectedFrames,
      lossShare: report.lostFrames / report.expectedFrames,
    }),
  };
}

/** Counts an unanswered request against each that owes an answer; too many: unicast. */
export function withSilencesCounted(members: Members): Members {
  return new Map(
    [...members].map(([node, member]): [string, Member] => {
      if (member.standing !== 'outstanding' || member.heard) return [node, member];
      const silences = member.silences + 1;
      const standing = silences >= maxSilences ? 'unicast' : member.standing;
      return [node, { ...member, silences, standing }];
    }),
  );
}

/** Everybody owes an answer again. */
export function withHeardForgotten(members: Members): Members {
  return new Map(
    [...members].map(([node, member]): [string, Member] => [node, { ...member, heard: false }]),
  );
}

export function completeCount(members: Members): number {
  return [...members.values()].filter(({ standing }) => standing === 'complete').length;
}

export function withAllLeftToUnicast(members: Members): Members {
  return withStanding(members, () => true);
}

/** A member this much worse than the others, and than a sound network, would hold them all up. */
const stragglerShare = 0.3;
const stragglerFactor = 3;
const fewMembers = 4;
const enoughFrames = 256;

/** After the first pass: leaves to unicast who lost far more than the median member. */
export function withStragglersLeft(members: Members): Members {
  if (members.size < fewMembers) return members;
  const shares = [...members.values()].map(({ lossShare }) => lossShare).sort((a, b) => a - b);
  const median = shares[Math.floor(shares.length / 2)] ?? 0;
  const limit = Math.max(stragglerFactor * median, stragglerShare);
  return withStanding(
    members,
    ({ lossShare, expectedFrames }) => expectedFrames >= enoughFrames && lossShare > limit,
  );
}

export function worstLossShare(members: Members): number {
  return Math.max(0, ...[...members.values()].map(({ lossShare }) => lossShare));
}

function withStanding(members: Members, isLeft: (member: Member) => boolean): Members {
  return new Map(
    [...members].map(([node, member]): [string, Member] => {
      const goes = member.standing === 'outstanding' && isLeft(member);
      return [node, goes ? { ...member, standing: 'unicast' } : member];
    }),
  );
}
