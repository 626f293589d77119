import { describe, expect, it } from '@jest/globals';
import {
  type OutcomeCommand,
  type OutcomeState,
  outcome,
  RunIsOver,
  TooLateToAbort,
} from './outcome.js';

function given(...commands: OutcomeCommand[]): OutcomeState {
  return commands.reduce(
    (state, command) => outcome.decide(command, state).reduce(outcome.evolve, state),
    outcome.initial,
  );
}

const commit: OutcomeCommand = { type: 'issue-commit', commit: { runId: 'run-1' } };
const complete: OutcomeCommand = { type: 'complete', run: { runId: 'run-1' } };

describe('the outcome of a run', () => {
  it('issues one commit, however often it is asked for', () => {
    expect(outcome.decide(commit, given()).map(({ type }) => type)).toEqual(['CommitIssued']);
    expect(outcome.decide(commit, given(commit))).toEqual([]);
  });

  it('ends once: neither another end nor a commit follows', () => {
    const ended = given(commit, complete);
    expect(outcome.decide(complete, ended)).toEqual([]);
    expect(outcome.decide(commit, ended)).toEqual([]);
    expect(outcome.decide({ type: 'fail', run: { runId: 'run-1' } }, ended)).toEqual([]);
  });

  it('is aborted before the commit only', () => {
    const abort: OutcomeCommand = { type: 'abort', run: { runId: 'run-1' } };
    expect(outcome.decide(abort, given()).map(({ type }) => type)).toEqual(['RunAborted']);
    expect(outcome.decide(abort, given(abort))).toEqual([]);
    expect(outcome.decide(commit, given(abort))).toEqual([]);
    expect(() => outcome.decide(abort, given(commit))).toThrow(TooLateToAbort);
    expect(() => outcome.decide(abort, given(commit, complete))).toThrow(RunIsOver);
  });

  it('goes live once it is approved, until it is over', () => {
    const approve: OutcomeCommand = { type: 'approve', runId: 'run-1', site: 'www' };
    expect(outcome.decide(approve, given()).map(({ type }) => type)).toEqual(['GoLiveApproved']);
    expect(outcome.decide(approve, given(approve))).toEqual([]);
    expect(outcome.decide(commit, given(approve)).map(({ type }) => type)).toEqual([
      'CommitIssued',
    ]);
    expect(() => outcome.decide(approve, given(complete))).toThrow(RunIsOver);
  });
});
