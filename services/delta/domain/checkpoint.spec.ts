import { describe, expect, test } from '@jest/globals';
import {
  type CheckpointCommand,
  CheckpointExists,
  CheckpointIsPinned,
  type Checkpoints,
  checkpointAggregate,
  UnknownCheckpoint,
} from './checkpoint.js';

const site = 'www';
const create = (checkpoint: string, kept = 2, runId = `run-${checkpoint}`): CheckpointCommand => ({
  ...{ type: 'create', kept, checkpoint: { site, checkpoint, runId } },
});
const pin = (checkpoint: string, pinned = true): CheckpointCommand => ({
  ...{ type: 'pin', site, checkpoint, pinned },
});
const remove = (checkpoint: string): CheckpointCommand => ({ type: 'delete', site, checkpoint });

function given(...commands: CheckpointCommand[]): Checkpoints {
  return commands.reduce(
    (state, command) =>
      checkpointAggregate.decide(command, state).reduce(checkpointAggregate.evolve, state),
    checkpointAggregate.initial,
  );
}
const decide = (command: CheckpointCommand, ...before: CheckpointCommand[]) =>
  checkpointAggregate.decide(command, given(...before));

describe('the checkpoints of a site', () => {
  test('are kept up to a number: the oldest goes', () => {
    expect([...given(create('a'), create('b'), create('c')).keys()]).toEqual(['b', 'c']);
  });

  test('that are pinned stay, and do not count', () => {
    const state = given(create('a'), pin('a'), create('b'), create('c'), create('d'));
    expect([...state.keys()]).toEqual(['a', 'c', 'd']);
  });

  test('are made once by a run, and have a name of their own', () => {
    expect(decide(create('a'), create('a'))).toEqual([]);
    expect(() => decide(create('a', 2, 'another'), create('a'))).toThrow(CheckpointExists);
  });

  test('are deleted on demand, but not while they are pinned', () => {
    expect(decide(remove('a'), create('a'))).toHaveLength(1);
    expect(() => decide(remove('a'), create('a'), pin('a'))).toThrow(CheckpointIsPinned);
    expect(decide(remove('a'), create('a'), pin('a'), pin('a', false))).toHaveLength(1);
    expect(() => decide(remove('a'))).toThrow(UnknownCheckpoint);
  });

  test('are pinned once', () => {
    expect(decide(pin('a'), create('a'), pin('a'))).toEqual([]);
    expect(() => decide(pin('a'))).toThrow(UnknownCheckpoint);
  });
});
