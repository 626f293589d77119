import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { AssignmentBuiltSchema, event, JobType } from '#libs/contracts/index.js';
import {
  assignmentLedger,
  type Ledger,
  type LedgerCommand,
  type LedgerEvent,
  phaseState,
  SequenceTaken,
} from './assignment-ledger.js';

const init = (runId: string, sequence: bigint, type = JobType.PUBLISH) => ({
  site: 'www',
  assignmentId: `www-${sequence}`,
  runId,
  sequence,
  type,
});
const built = (runId: string, sequence: bigint, type = JobType.PUBLISH): LedgerCommand => ({
  type: 'RecordBuilt',
  built: create(AssignmentBuiltSchema, init(runId, sequence, type)),
});
const failure = (runId: string, phase: 'prepare' | 'switch'): LedgerCommand => ({
  ...{ type: 'RecordFailure', site: 'www', runId, phase, reason: 'the disk is full' },
});

function given(...commands: LedgerCommand[]): Ledger {
  return commands.reduce(
    (state, command) =>
      assignmentLedger.decide(command, state).reduce(assignmentLedger.evolve, state),
    assignmentLedger.initial,
  );
}
const when = (state: Ledger, command: LedgerCommand): readonly LedgerEvent[] =>
  assignmentLedger.decide(command, state);

describe('the ledger of a site', () => {
  test('numbers assignments from 1, whatever their run and type', () => {
    const state = given(built('r1', 1n), built('r1', 2n, JobType.SWITCH), built('r2', 3n));
    expect(state.nextSequence).toBe(4n);
    expect(when(state, built('r3', 4n))).toEqual([event('AssignmentBuilt', init('r3', 4n))]);
  });

  test('refuses a sequence that is not the next', () => {
    const state = given(built('r1', 1n));
    expect(() => when(state, built('r2', 1n))).toThrow(SequenceTaken);
    expect(() => when(state, built('r2', 3n))).toThrow(SequenceTaken);
  });

  test('records one assignment per run and type', () => {
    const state = given(built('r1', 1n));
    expect(when(state, built('r1', 2n))).toEqual([]);
    expect(when(state, built('r1', 1n))).toEqual([]);
    expect(when(state, built('r1', 2n, JobType.SWITCH))).toHaveLength(1);
  });

  test('records a failure once, and takes no sequence for it', () => {
    const state = given(failure('r1', 'prepare'));
    expect(state.nextSequence).toBe(1n);
    expect(when(state, failure('r1', 'prepare'))).toEqual([]);
    expect(when(state, built('r1', 1n))).toEqual([]);
    expect(when(assignmentLedger.initial, failure('r1', 'prepare'))).toEqual([
      event('AssignmentFailed', { site: 'www', runId: 'r1', reason: 'the disk is full' }),
    ]);
  });

  test('tells a failed switch from a failed preparation', () => {
    const state = given(built('r1', 1n), failure('r1', 'switch'));
    expect(phaseState(state, 'r1', 'prepare')).toBe('built');
    expect(phaseState(state, 'r1', 'switch')).toBe('failed');
    expect(when(state, built('r1', 2n, JobType.SWITCH))).toEqual([]);
  });
});
