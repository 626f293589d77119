import {
  type DomainEvent,
  event,
  type Rollout,
  type RolloutStarted,
  type RolloutWave,
  type Tree,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { NoRollout } from './errors.js';

export type RolloutEvent = DomainEvent<
  | 'RolloutStarted'
  | 'WaveStarted'
  | 'WaveSoaking'
  | 'WavePassed'
  | 'WaveFailed'
  | 'RolloutPaused'
  | 'RolloutPromoted'
  | 'RolloutRolledBack'
  | 'RolloutEnded'
>;

export type RolloutCommand =
  | { readonly type: 'record'; readonly event: RolloutEvent }
  | { readonly type: 'pause'; readonly runId: string }
  | { readonly type: 'promote'; readonly runId: string };

/** What a rollout does at the moment. */
export type Phase = 'between' | 'running' | 'soaking' | 'failed' | 'rolling-back';

export type RolloutState =
  | { readonly situation: 'absent' }
  | { readonly situation: 'ended'; readonly status: string; readonly reason: string }
  | RunningRollout;

export interface RunningRollout {
  readonly situation: 'running';
  readonly runId: string;
  readonly site: string;
  readonly waves: readonly RolloutWave[];
  readonly policy: Rollout | undefined;
  readonly phase: Phase;
  /** The wave that runs, soaks or passed last, from 1; 0: none yet. */
  readonly wave: number;
  /** The wave's run, or the run that brings servers back. */
  readonly stepRunId: string;
  readonly soakUntilMs: number;
  readonly tree: Tree | undefined;
  readonly paused: boolean;
  /** Somebody let the next wave begin. */
  readonly promoted: boolean;
  readonly reason: string;
}

/** A run in waves. What happens next follows from what is recorded (`rollout-step.ts`). */
export const rolloutAggregate: Aggregate<RolloutState, RolloutCommand, RolloutEvent> = {
  type: 'rollout',
  initial: { situation: 'absent' },
  evolve,
  decide,
};

function evolve(state: RolloutState, happened: RolloutEvent): RolloutState {
  if (happened.type === 'RolloutStarted') return begun(happened.data);
  if (state.situation !== 'running') return state;
  switch (happened.type) {
    case 'WaveStarted': {
      const { wave, waveRunId } = happened.data;
      const started = { ...state, phase: 'running', wave, stepRunId: waveRunId } as const;
      return { ...started, promoted: false };
    }
    case 'WaveSoaking': {
      const { untilMs, tree } = happened.data;
      const soaking = { ...state, phase: 'soaking', soakUntilMs: Number(untilMs) } as const;
      return { ...soaking, tree: tree ?? state.tree };
    }
    case 'WavePassed':
      return { ...state, phase: 'between' };
    case 'WaveFailed':
      return { ...state, phase: 'failed', reason: happened.data.reason };
    case 'RolloutPaused':
      return { ...state, paused: true };
    case 'RolloutPromoted':
      return { ...state, paused: false, promoted: true, soakUntilMs: 0 };
    case 'RolloutRolledBack':
      return { ...state, phase: 'rolling-back', stepRunId: happened.data.repairRunId };
    case 'RolloutEnded': {
      const { status, reason } = happened.data;
      return { situation: 'ended', status, reason };
    }
  }
}

function begun({ runId, site, waves, policy }: RolloutStarted): RunningRollout {
  return {
    ...{ situation: 'running', runId, site, waves, policy, phase: 'between', wave: 0 },
    ...{ stepRunId: '', soakUntilMs: 0, tree: undefined },
    ...{ paused: false, promoted: true, reason: '' },
  };
}

/** @throws NoRollout */
function decide(command: RolloutCommand, state: RolloutState): RolloutEvent[] {
  if (command.type === 'record') {
    const isStart = command.event.type === 'RolloutStarted';
    return isStart === (state.situation === 'absent') && state.situation !== 'ended'
      ? [command.event]
      : [];
  }
  const { runId } = command;
  if (state.situation !== 'running') throw new NoRollout(runId);
  if (command.type === 'pause') return state.paused ? [] : [event('RolloutPaused', { runId })];
  return [event('RolloutPromoted', { runId })];
}
