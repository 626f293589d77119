import { type ElectionInput, stepElection } from './election.js';
import {
  type Candidate,
  type Election,
  type ElectionEffect,
  electionWakeAtMs,
  startElection,
} from './election-state.js';
import { standardTimings } from './timings.js';
import type { StateName } from './transitions.js';

export const timings = standardTimings.election;
export const settings = { node: 'm', timings, random: () => 0.5 };
export const candidate = (node: string, priority: bigint, term = 1n) => ({ node, priority, term });
export const stronger = candidate('s', 200n);
export const weaker = candidate('w', 50n);

export const alive = (from: Candidate): ElectionInput => ({ type: 'leader-alive', from });
export const claim = (from: Candidate): ElectionInput => ({ type: 'leader-claim', from });

/** An election driven by hand; `m` has priority 100. */
export class Hand {
  election: Election;
  effects: ElectionEffect[] = [];
  nowMs = 0;

  constructor(priority = 100n) {
    [this.election] = startElection(settings, priority, 0);
  }

  hear(input: ElectionInput): this {
    [this.election, this.effects] = stepElection(this.election, input, this.nowMs);
    return this;
  }

  /** Waits for the state's own deadline. */
  wake(): this {
    this.nowMs = electionWakeAtMs(this.election);
    return this.hear({ type: 'tick' });
  }

  get state(): StateName {
    return this.election.situation.name;
  }

  get sent(): string[] {
    return this.effects.map(({ type }) => type).filter((type) => type.startsWith('send-'));
  }

  get path(): string[] {
    return this.effects.flatMap((effect) => (effect.type === 'entered' ? [effect.to] : []));
  }
}

export const unknown = () => new Hand();
export const voting = () => unknown().wake();
export const leading = () => voting().wake();
export const conceding = () => unknown().hear(claim(stronger));
export const known = (leader = stronger) => unknown().hear(alive(leader));
