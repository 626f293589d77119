import { posixType } from '#libs/assignment/command-sets.js';
import { type DomainEvent, event, JobType } from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';

/**
 * A run's two kinds of assignment: those of the first prepare a version, one for each base that its
 * servers have; the other switches to it.
 */
export type Phase = 'prepare' | 'switch';

export type LedgerEvent = DomainEvent<'AssignmentBuilt' | 'AssignmentFailed'>;
export type Built = DomainEvent<'AssignmentBuilt'>['data'];

export type LedgerCommand =
  | {
      readonly type: 'RecordBuilt';
      readonly built: Built;
      /** The other parts of a job, in order; their sequences follow. */
      readonly further?: readonly Built[];
    }
  | {
      readonly type: 'RecordFailure';
      readonly site: string;
      readonly runId: string;
      readonly phase: Phase;
      readonly reason: string;
    };

export type PhaseState = 'open' | 'built' | 'failed';

/** A site's book of assignments: what the next one is called, and what each run has. */
export interface Ledger {
  readonly nextSequence: bigint;
  readonly runs: ReadonlyMap<string, RunInLedger>;
}

type RunInLedger = Readonly<Record<Phase, PhaseState>> & {
  /** Tree digests, and types of agents, of the bases with a preparing assignment. */
  readonly bases: ReadonlySet<string>;
};

/** Thrown when somebody else took the sequence meanwhile: sign again with the next one. */
export class SequenceTaken extends Error {
  override readonly name = 'SequenceTaken';
  constructor(sequence: bigint, next: bigint) {
    super(`assignment ${sequence} cannot be recorded: the next one of the site is ${next}`);
  }
}

/** The aggregate `assignment`, one per site. */
export const assignmentLedger: Aggregate<Ledger, LedgerCommand, LedgerEvent> = {
  type: 'assignment',
  initial: { nextSequence: 1n, runs: new Map() },
  evolve,
  decide,
};

export function phaseState(ledger: Ledger, runId: string, phase: Phase): PhaseState {
  return ledger.runs.get(runId)?.[phase] ?? 'open';
}

/** Whether a run has the assignment for servers with this base and this type of agent. */
export function isBuiltFor(
  ledger: Ledger,
  runId: string,
  base: { readonly treeDigest: string; readonly agentType: string },
): boolean {
  return ledger.runs.get(runId)?.bases.has(baseKey(base)) ?? false;
}

function baseKey({ treeDigest, agentType }: { treeDigest: string; agentType: string }): string {
  return agentType === '' || agentType === posixType ? treeDigest : `${treeDigest} ${agentType}`;
}

function baseOf({ baseTreeDigest, agentType }: Built) {
  return { treeDigest: hex(baseTreeDigest), agentType };
}

export function phaseOf(type: JobType): Phase {
  return type === JobType.SWITCH ? 'switch' : 'prepare';
}

function evolve(state: Ledger, { type, data }: LedgerEvent): Ledger {
  switch (type) {
    case 'AssignmentBuilt':
      return {
        nextSequence: data.sequence + 1n,
        runs: withPhase(state, data.runId, phaseOf(data.type), 'built', data),
      };
    case 'AssignmentFailed':
      return {
        ...state,
        runs: withPhase(state, data.runId, nextPhase(state, data.runId), 'failed'),
      };
  }
}

function decide(command: LedgerCommand, state: Ledger): readonly LedgerEvent[] {
  switch (command.type) {
    case 'RecordBuilt': {
      const { built } = command;
      if (isRecorded(state, built)) return [];
      if (built.sequence !== state.nextSequence) {
        throw new SequenceTaken(built.sequence, state.nextSequence);
      }
      const { further = [] } = command;
      return [built, ...further].map((part) => event('AssignmentBuilt', part));
    }
    case 'RecordFailure': {
      const { site, runId, phase, reason } = command;
      if (phaseState(state, runId, phase) === 'failed') return [];
      if (phaseState(state, runId, 'switch') !== 'open') return [];
      return [event('AssignmentFailed', { site, runId, reason })];
    }
  }
}

/**
 * The phase that a failure is of: the event does not say, but phases come one after the other. When
 * some bases have their assignment already, it is the rest of the run that failed.
 */
function nextPhase(state: Ledger, runId: string): Phase {
  return phaseState(state, runId, 'prepare') === 'open' ? 'prepare' : 'switch';
}

function isRecorded(state: Ledger, built: Built): boolean {
  const { runId, type } = built;
  const phase = phaseOf(type);
  if (phaseState(state, runId, phase) === 'failed') return true;
  if (phase === 'prepare') return isBuiltFor(state, runId, baseOf(built));
  return phaseState(state, runId, phase) === 'built';
}

function withPhase(
  state: Ledger,
  runId: string,
  phase: Phase,
  now: PhaseState,
  built?: Built,
): Ledger['runs'] {
  const before = state.runs.get(runId) ?? { prepare: 'open', switch: 'open', bases: new Set() };
  const isNewBase = phase === 'prepare' && built !== undefined;
  const bases = isNewBase ? new Set(before.bases).add(baseKey(baseOf(built))) : before.bases;
  return new Map(state.runs).set(runId, { ...before, [phase]: now, bases });
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}
