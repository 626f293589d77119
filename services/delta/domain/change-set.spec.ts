import { describe, expect, test } from '@jest/globals';
import { type ChangeSetCommand, type ChangeSetState, changeSet } from './change-set.js';

const computed: ChangeSetCommand = {
  type: 'record-result',
  result: { runId: 'run-1', site: 'www', counts: { added: 3 } },
};
const failed: ChangeSetCommand = {
  type: 'record-failure',
  failure: { runId: 'run-1', site: 'www', reason: 'no staging' },
};

function given(...commands: ChangeSetCommand[]): ChangeSetState {
  return commands.reduce(
    (state, command) => changeSet.decide(command, state).reduce(changeSet.evolve, state),
    changeSet.initial,
  );
}

describe('a change set', () => {
  test('records what a run changes', () => {
    const [event] = changeSet.decide(computed, changeSet.initial);
    expect(event).toMatchObject({
      type: 'ChangeSetComputed',
      data: { runId: 'run-1', site: 'www', counts: { added: 3 } },
    });
    expect(given(computed)).toEqual({ situation: 'computed' });
  });

  test('records why it cannot be computed', () => {
    expect(given(failed)).toEqual({ situation: 'failed', reason: 'no staging' });
  });

  test.each([
    ['a result', computed],
    ['a failure', failed],
  ])('keeps %s, whatever a repetition finds', (_what, first) => {
    expect(changeSet.decide(computed, given(first))).toEqual([]);
    expect(changeSet.decide(failed, given(first))).toEqual([]);
  });
});
