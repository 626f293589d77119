import type { Random } from '#libs/clock/clock.js';
import type { ElectionTimings } from './timings.js';
import type { Reason, StateName } from './transitions.js';
import { strengthOf } from './voting-priority.js';

/** A leader or a candidate, as its messages name it. */
export interface Candidate {
  readonly node: string;
  readonly term: bigint;
  readonly priority: bigint;
}

export type Situation =
  | { readonly name: 'leader-known'; readonly leader: Candidate; readonly silentAtMs: number }
  | { readonly name: 'leader-unknown'; readonly claimAtMs: number }
  | { readonly name: 'voting-open'; readonly closesAtMs: number }
  | { readonly name: 'conceding'; readonly to: Candidate; readonly untilMs: number }
  | { readonly name: 'leader-is-me'; readonly aliveAtMs: number; readonly lastAliveMs: number };

export interface ElectionSettings {
  readonly node: string;
  readonly timings: ElectionTimings;
  readonly random: Random;
}

export interface Election {
  readonly settings: ElectionSettings;
  /** 0n: this node never claims. */
  readonly priority: bigint;
  /** Of the leader or the vote this node takes part in; rises with every vote. */
  readonly term: bigint;
  /** When this node last stopped leading. */
  readonly deposedAtMs?: number;
  readonly situation: Situation;
}

export type ElectionEffect =
  | { readonly type: 'send-alive' | 'send-claim'; readonly term: bigint; readonly priority: bigint }
  | { readonly type: 'leader-changed'; readonly leader?: Candidate; readonly isMe: boolean }
  | {
      readonly type: 'entered';
      readonly from: StateName;
      readonly to: StateName;
      readonly reason: Reason;
    };

/**
 * A node that has just started knows no leader. It asks for one by a claim of priority 0, which
 * only a leader answers; so a newcomer does not start a vote between two Leader Alives.
 */
export function startElection(
  settings: ElectionSettings,
  priority: bigint,
  nowMs: number,
): [Election, ElectionEffect[]] {
  const claimAtMs = nowMs + claimDelayMs(settings, priority, settings.timings.initialClaimDelayMs);
  const situation: Situation = { name: 'leader-unknown', claimAtMs };
  const term = 1n;
  return [{ settings, priority, term, situation }, [{ type: 'send-claim', term, priority: 0n }]];
}

/** Order of candidates: the priority decides, then the node's name. Terms only date a word. */
export function isStronger(a: Candidate, b: Candidate): boolean {
  return a.priority === b.priority ? a.node > b.node : a.priority > b.priority;
}

export function leaderOf(election: Election): Candidate | undefined {
  const { situation } = election;
  if (situation.name === 'leader-known') return situation.leader;
  return situation.name === 'leader-is-me' ? me(election) : undefined;
}

/** When the next `tick` is due; Infinity for a node that only listens. */
export function electionWakeAtMs({ situation }: Election): number {
  switch (situation.name) {
    case 'leader-known':
      return situation.silentAtMs;
    case 'leader-unknown':
      return situation.claimAtMs;
    case 'voting-open':
      return situation.closesAtMs;
    case 'conceding':
      return situation.untilMs;
    case 'leader-is-me':
      return situation.aliveAtMs;
  }
}

/** This node as its messages name it. */
export function me({ settings, term, priority }: Election): Candidate {
  return { node: settings.node, term, priority };
}

/** The period before a claim that the voting priority determines. */
export function claimDelayMs(
  settings: ElectionSettings,
  priority: bigint,
  leastMs: number,
): number {
  if (priority === 0n) return Number.POSITIVE_INFINITY;
  const { timings, random } = settings;
  const weaknessMs = timings.prioritySpreadMs * (1 - strengthOf(priority));
  return leastMs + weaknessMs + timings.claimJitterMs * random();
}

export function maximum(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
