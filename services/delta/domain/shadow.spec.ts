import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { AssignmentBuiltSchema, CommitIssuedSchema } from '#libs/contracts/index.js';
import { ContradictoryCommit, type ShadowCommand, type ShadowState, shadow } from './shadow.js';

function commit(sequence: number, tree: number): ShadowCommand {
  return {
    type: 'move-shadow',
    commit: create(CommitIssuedSchema, {
      runId: `run-${sequence}`,
      site: 'www',
      sequence: BigInt(sequence),
      treeDigest: new Uint8Array([tree]),
      manifestDigest: new Uint8Array([tree, tree]),
    }),
  };
}

function snapshots(...sequences: number[]): ShadowCommand {
  return {
    type: 'record-snapshots',
    assignments: sequences.map((sequence) =>
      create(AssignmentBuiltSchema, {
        runId: 'run-1',
        site: 'www',
        assignmentId: `assignment-${sequence}`,
        sequence: BigInt(sequence),
        containerDigest: new Uint8Array([1]),
        resultTreeDigest: new Uint8Array([2]),
      }),
    ),
  };
}

function given(...commands: ShadowCommand[]): ShadowState {
  return commands.reduce(
    (state, command) => shadow.decide(command, state).reduce(shadow.evolve, state),
    shadow.initial,
  );
}

describe('a shadow', () => {
  test('moves to what a commit makes live', () => {
    expect(given(commit(1, 7), commit(3, 8))).toMatchObject({
      situation: 'live',
      tree: { sequence: 3, treeDigest: '08', manifestDigest: '0808' },
    });
  });

  test('moves once per commit and never back', () => {
    expect(shadow.decide(commit(3, 8), given(commit(1, 7), commit(3, 8)))).toEqual([]);
    expect(shadow.decide(commit(1, 7), given(commit(1, 7), commit(3, 8)))).toEqual([]);
  });

  test('refuses other content under the same sequence', () => {
    expect(() => shadow.decide(commit(1, 8), given(commit(1, 7)))).toThrow(ContradictoryCommit);
  });

  test('records each assignment as a snapshot once, in order', () => {
    const events = shadow.decide(snapshots(4, 3), given(snapshots(1)));
    expect(events.map(({ data }) => Number(data.sequence))).toEqual([3, 4]);
    expect(events[0]).toMatchObject({
      type: 'SnapshotRecorded',
      data: { site: 'www', runId: 'run-1', assignmentId: 'assignment-3' },
    });
    expect(shadow.decide(snapshots(4, 3), given(snapshots(3, 4)))).toEqual([]);
  });

  test('keeps its content when a snapshot is recorded, and its snapshots when it moves', () => {
    expect(given(commit(1, 7), snapshots(1))).toMatchObject({ situation: 'live', lastSnapshot: 1 });
    expect(given(snapshots(1), commit(1, 7))).toMatchObject({ situation: 'live', lastSnapshot: 1 });
  });

  const takeBack = (sequence: number): ShadowCommand => {
    return { type: 'take-back', runId: `run-${sequence}`, site: 'www' };
  };

  test('goes back to what was live before when all servers of a run switched back', () => {
    const state = given(commit(1, 7), commit(3, 8));
    expect(shadow.decide(takeBack(3), state)).toMatchObject([
      { type: 'ShadowMoved', data: { runId: 'run-3', sequence: 1n, takenBack: true } },
    ]);
    const after = given(commit(1, 7), commit(3, 8), takeBack(3));
    const first = { sequence: 1, treeDigest: '07', manifestDigest: '0707' };
    expect(after).toMatchObject({ tree: first });
    expect(shadow.decide(takeBack(3), after)).toEqual([]);
    expect(shadow.decide(commit(3, 8), after)).toEqual([]);
    expect(given(commit(1, 7), commit(3, 8), takeBack(3), commit(5, 9))).toMatchObject({
      tree: { sequence: 5 },
    });
  });

  test('stays where another run went live since, or nothing was live before', () => {
    expect(shadow.decide(takeBack(1), given(commit(1, 7), commit(3, 8)))).toEqual([]);
    expect(shadow.decide(takeBack(1), given(commit(1, 7)))).toEqual([]);
  });
});
