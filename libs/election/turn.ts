import {
  type Candidate,
  claimDelayMs,
  type Election,
  type ElectionEffect,
  isStronger,
  leaderOf,
  maximum,
  me,
  type Situation,
} from './election-state.js';
import { type Reason, transitionOf } from './transitions.js';

/** One step under way: the election so far and the effects so far. */
export class Turn {
  private readonly effects: ElectionEffect[] = [];

  constructor(
    public election: Election,
    readonly nowMs: number,
  ) {}

  /** The only writer of a change of state: checks the table and sends what its row says. */
  enter(next: Situation, reason: Reason): void {
    const from = this.election.situation.name;
    const { sends } = transitionOf(from, reason, next.name);
    if (from === 'leader-is-me') this.election = { ...this.election, deposedAtMs: this.nowMs };
    this.election = { ...this.election, situation: next };
    this.effects.push({ type: 'entered', from, to: next.name, reason });
    if (next.name === 'leader-known') this.newTerm(next.leader.term);
    if (sends !== 'nothing') this.send(sends);
  }

  /** Moves the deadlines of the state it is in. */
  renew(same: Situation): void {
    this.election = { ...this.election, situation: same };
    if (same.name === 'leader-known') this.newTerm(same.leader.term);
  }

  newTerm(term: bigint): void {
    this.election = { ...this.election, term: maximum(this.election.term, term) };
  }

  changePriority(priority: bigint): void {
    const eligibilityChanged = (priority === 0n) !== (this.election.priority === 0n);
    this.election = { ...this.election, priority };
    if (!eligibilityChanged) return;
    const { name } = this.election.situation;
    if (name === 'leader-unknown') this.renew(this.unknown('initialClaimDelayMs'));
    else if (name === 'leader-is-me' || name === 'voting-open') {
      this.enter(this.unknown('initialClaimDelayMs'), 'abstains');
    }
  }

  isBeatenBy(other: Candidate): boolean {
    return isStronger(other, me(this.election));
  }

  sayAlive(): void {
    this.renew(this.lead());
    this.send('alive');
  }

  /** Says at once that the leader lives, but not more often than the gap allows. */
  refute(): void {
    const { situation, settings } = this.election;
    if (situation.name !== 'leader-is-me') return;
    const allowedAtMs = situation.lastAliveMs + settings.timings.refutationGapMs;
    if (this.nowMs >= allowedAtMs) this.sayAlive();
    else this.renew({ ...situation, aliveAtMs: Math.min(situation.aliveAtMs, allowedAtMs) });
  }

  known(leader: Candidate): Situation {
    const limitMs = this.election.settings.timings.silenceLimitMs;
    const silentAtMs = this.nowMs + limitMs + this.silenceJitterMs();
    return { name: 'leader-known', leader, silentAtMs };
  }

  unknown(delay: 'initialClaimDelayMs' | 'deposedClaimDelayMs'): Situation {
    const { settings, priority, deposedAtMs } = this.election;
    const { timings } = settings;
    const ledRecently =
      deposedAtMs !== undefined && this.nowMs - deposedAtMs < timings.deposedForMs;
    const leastMs = ledRecently ? timings.deposedClaimDelayMs : timings[delay];
    const claimAtMs = this.nowMs + claimDelayMs(settings, priority, leastMs);
    return { name: 'leader-unknown', claimAtMs };
  }

  voting(): Situation {
    const closesAtMs = this.nowMs + this.election.settings.timings.votingWindowMs;
    return { name: 'voting-open', closesAtMs };
  }

  concede(to: Candidate): Situation {
    const untilMs = this.nowMs + this.election.settings.timings.concessionLimitMs;
    return { name: 'conceding', to, untilMs };
  }

  lead(): Situation {
    const aliveAtMs = this.nowMs + this.election.settings.timings.leaderAlivePeriodMs;
    return { name: 'leader-is-me', aliveAtMs, lastAliveMs: this.nowMs };
  }

  silenceJitterMs(): number {
    const { timings, random } = this.election.settings;
    return timings.silenceJitterMs * random();
  }

  /** The effects, with the change of leader if there was one. */
  allEffects(before: Election): ElectionEffect[] {
    const leader = leaderOf(this.election);
    const former = leaderOf(before);
    if (leader?.node === former?.node && leader?.term === former?.term) return this.effects;
    const isMe = this.election.situation.name === 'leader-is-me';
    return [...this.effects, { type: 'leader-changed', leader, isMe }];
  }

  private send(message: 'claim' | 'alive'): void {
    const { term, priority } = this.election;
    if (message === 'claim' && priority === 0n) return;
    this.effects.push({ type: message === 'claim' ? 'send-claim' : 'send-alive', term, priority });
  }
}
