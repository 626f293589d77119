import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type CommitIssued,
  CommitIssuedSchema,
  DomainError,
  type DomainEvent,
  event,
  type RunAbortedSchema,
  type RunCompletedSchema,
  type RunFailedSchema,
  type RunPartiallyCompletedSchema,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';

export type OutcomeEvent = DomainEvent<
  | 'CommitIssued'
  | 'GoLiveApproved'
  | 'RunAborted'
  | 'RunCompleted'
  | 'RunPartiallyCompleted'
  | 'RunFailed'
>;

export type OutcomeCommand =
  | { readonly type: 'approve'; readonly runId: string; readonly site: string }
  | { readonly type: 'abort'; readonly run: MessageInitShape<typeof RunAbortedSchema> }
  | { readonly type: 'issue-commit'; readonly commit: MessageInitShape<typeof CommitIssuedSchema> }
  | { readonly type: 'complete'; readonly run: MessageInitShape<typeof RunCompletedSchema> }
  | {
      readonly type: 'complete-partially';
      readonly run: MessageInitShape<typeof RunPartiallyCompletedSchema>;
    }
  | { readonly type: 'fail'; readonly run: MessageInitShape<typeof RunFailedSchema> };

export type OutcomeState =
  | { readonly situation: 'open'; readonly approved: boolean }
  | { readonly situation: 'committed'; readonly commit: CommitIssued }
  | { readonly situation: 'aborted' }
  | { readonly situation: 'ended' };

export class TooLateToAbort extends DomainError {
  override readonly name = 'TooLateToAbort';
  constructor(runId: string) {
    const remedy = 'go back with espalier rollback SITE when it has ended';
    super(`run ${runId} is committed: its servers switch`, remedy);
  }
}

export class RunIsOver extends DomainError {
  override readonly name = 'RunIsOver';
  constructor(runId: string) {
    super(`run ${runId} is over`, `espalier describe run ${runId} tells how it went`);
  }
}

/** How a run ends: at most one commit, then exactly one end. */
export const outcome: Aggregate<OutcomeState, OutcomeCommand, OutcomeEvent> = {
  type: 'outcome',
  initial: { situation: 'open', approved: false },

  evolve(_state, happened) {
    switch (happened.type) {
      case 'CommitIssued':
        return { situation: 'committed', commit: happened.data };
      case 'GoLiveApproved':
        return { situation: 'open', approved: true };
      case 'RunAborted':
        return { situation: 'aborted' };
      case 'RunCompleted':
      case 'RunPartiallyCompleted':
      case 'RunFailed':
        return { situation: 'ended' };
    }
  },

  /** @throws TooLateToAbort, RunIsOver */
  decide(command, state) {
    if (command.type === 'abort') return abort(command.run, state);
    if (command.type === 'approve') return approve(command, state);
    if (state.situation === 'ended' || state.situation === 'aborted') return [];
    switch (command.type) {
      case 'issue-commit':
        if (state.situation === 'committed') return [];
        return [event('CommitIssued', create(CommitIssuedSchema, command.commit))];
      case 'complete':
        return [event('RunCompleted', command.run)];
      case 'complete-partially':
        return [event('RunPartiallyCompleted', command.run)];
      case 'fail':
        return [event('RunFailed', command.run)];
    }
  },
};

type Abort = Extract<OutcomeCommand, { type: 'abort' }>;
type Approve = Extract<OutcomeCommand, { type: 'approve' }>;

function abort(run: Abort['run'], state: OutcomeState): OutcomeEvent[] {
  switch (state.situation) {
    case 'open':
      return [event('RunAborted', run)];
    case 'aborted':
      return [];
    case 'committed':
      throw new TooLateToAbort(run.runId ?? '');
    case 'ended':
      throw new RunIsOver(run.runId ?? '');
  }
}

function approve({ runId, site }: Approve, state: OutcomeState): OutcomeEvent[] {
  switch (state.situation) {
    case 'open':
      return state.approved ? [] : [event('GoLiveApproved', { runId, site })];
    case 'committed':
      return [];
    case 'aborted':
    case 'ended':
      throw new RunIsOver(runId);
  }
}
