import {
  type Candidate,
  type Election,
  type ElectionEffect,
  isStronger,
  maximum,
  type Situation,
} from './election-state.js';
import type { StateName } from './transitions.js';
import { Turn } from './turn.js';

export type ElectionInput =
  | { readonly type: 'tick' }
  | { readonly type: 'leader-alive'; readonly from: Candidate }
  | { readonly type: 'leader-claim'; readonly from: Candidate }
  /** A node said goodbye. */
  | { readonly type: 'leave'; readonly node: string }
  | { readonly type: 'priority'; readonly priority: bigint };

export function stepElection(
  election: Election,
  input: ElectionInput,
  nowMs: number,
): [Election, ElectionEffect[]] {
  const turn = new Turn(election, nowMs);
  const { situation } = election;
  if (input.type === 'priority') turn.changePriority(input.priority);
  else if ('from' in input && input.from.node === election.settings.node) return [election, []];
  else if (situation.name === 'leader-known') leaderKnown(turn, situation, input);
  else if (situation.name === 'leader-unknown') leaderUnknown(turn, situation, input);
  else if (situation.name === 'voting-open') votingOpen(turn, situation, input);
  else if (situation.name === 'conceding') conceding(turn, situation, input);
  else leaderIsMe(turn, situation, input);
  return [turn.election, turn.allEffects(election)];
}

type Heard = Exclude<ElectionInput, { type: 'priority' }>;
type In<Name extends StateName> = Extract<Situation, { name: Name }>;

function leaderKnown(turn: Turn, situation: In<'leader-known'>, input: Heard): void {
  const { leader } = situation;
  if (input.type === 'tick' && turn.nowMs >= situation.silentAtMs) {
    turn.newTerm(turn.election.term + 1n);
    turn.enter(turn.unknown('initialClaimDelayMs'), 'leader-silent');
  } else if (input.type === 'leader-alive') {
    if (input.from.node === leader.node) turn.renew(turn.known(input.from));
    else if (isNewer(input.from, leader)) {
      turn.enter(turn.known(input.from), 'other-leader-alive');
    }
  } else if (input.type === 'leave' && input.node === leader.node) {
    turn.renew({ ...situation, silentAtMs: turn.nowMs + turn.silenceJitterMs() });
  } else if (input.type === 'leader-claim' && isLaterWord(input.from, leader)) {
    turn.newTerm(input.from.term);
    turn.enter(turn.unknown('initialClaimDelayMs'), 'leader-claims');
    if (turn.isBeatenBy(input.from)) turn.enter(turn.concede(input.from), 'stronger-claim');
  }
}

function leaderUnknown(turn: Turn, situation: In<'leader-unknown'>, input: Heard): void {
  if (input.type === 'tick' && turn.nowMs >= situation.claimAtMs) {
    turn.enter(turn.voting(), 'claim-delay-over');
  } else if (input.type === 'leader-alive') {
    turn.enter(turn.known(input.from), 'leader-alive');
  } else if (input.type === 'leader-claim') {
    turn.newTerm(input.from.term);
    if (turn.isBeatenBy(input.from)) turn.enter(turn.concede(input.from), 'stronger-claim');
  }
}

function votingOpen(turn: Turn, situation: In<'voting-open'>, input: Heard): void {
  if (input.type === 'tick' && turn.nowMs >= situation.closesAtMs) {
    turn.enter(turn.lead(), 'window-closed');
  } else if (input.type === 'leader-alive') {
    turn.enter(turn.known(input.from), 'leader-alive');
  } else if (input.type === 'leader-claim' && input.from.priority > 0n) {
    turn.newTerm(input.from.term);
    turn.enter(turn.unknown('deposedClaimDelayMs'), 'claim-heard');
    if (turn.isBeatenBy(input.from)) turn.enter(turn.concede(input.from), 'stronger-claim');
  }
}

function conceding(turn: Turn, situation: In<'conceding'>, input: Heard): void {
  const over = input.type === 'tick' && turn.nowMs >= situation.untilMs;
  if (over || (input.type === 'leave' && input.node === situation.to.node)) {
    turn.newTerm(turn.election.term + 1n);
    turn.enter(turn.unknown('initialClaimDelayMs'), 'concession-over');
  } else if (input.type === 'leader-alive') {
    turn.enter(turn.known(input.from), 'leader-alive');
  } else if (input.type === 'leader-claim') {
    turn.newTerm(input.from.term);
    if (!isStronger(situation.to, input.from)) turn.renew(turn.concede(input.from));
  }
}

function leaderIsMe(turn: Turn, situation: In<'leader-is-me'>, input: Heard): void {
  if (input.type === 'tick') {
    if (turn.nowMs >= situation.aliveAtMs) turn.sayAlive();
  } else if (input.type === 'leader-claim') {
    if (turn.isBeatenBy(input.from)) {
      turn.newTerm(maximum(turn.election.term + 1n, input.from.term));
      turn.enter(turn.voting(), 'stronger-claim');
    } else turn.refute();
  } else if (input.type === 'leader-alive') {
    const { from } = input;
    if (turn.isBeatenBy(from) && from.term >= turn.election.term) {
      turn.enter(turn.voting(), 'stronger-leader-alive');
      turn.enter(turn.known(from), 'leader-alive');
    } else {
      // Our word must be newer than the weaker leader's, or its followers would not hear it.
      if (from.term > turn.election.term) turn.newTerm(from.term + 1n);
      turn.refute();
    }
  }
}

/**
 * A leader that a stronger claim deposed claims itself. Its last Leader Alive may have made the
 * stronger one give way at the same time: nobody would lead until the silence limit.
 */
function isLaterWord(claim: Candidate, leader: Candidate): boolean {
  return claim.node === leader.node && claim.priority > 0n && claim.term > leader.term;
}

/** A follower changes its leader for a later vote, or for the stronger of two of the same vote. */
function isNewer(other: Candidate, leader: Candidate): boolean {
  return other.term === leader.term ? isStronger(other, leader) : other.term > leader.term;
}
