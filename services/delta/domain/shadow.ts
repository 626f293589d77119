import {
  type AssignmentBuilt,
  type CommitIssued,
  type DomainEvent,
  event,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';

export type ShadowEvent = DomainEvent<'ShadowMoved' | 'SnapshotRecorded'>;

export type ShadowCommand =
  | { readonly type: 'move-shadow'; readonly commit: CommitIssued }
  | { readonly type: 'record-snapshots'; readonly assignments: readonly AssignmentBuilt[] };

export interface LiveTree {
  readonly sequence: number;
  /** SHA-256, lower-case hex, as all digests of this state. */
  readonly treeDigest: string;
  readonly manifestDigest: string;
}

export type ShadowState = {
  /** Sequence of the newest assignment with a snapshot; 0: there is none. */
  readonly lastSnapshot: number;
} & ({ readonly situation: 'empty' } | { readonly situation: 'live'; readonly tree: LiveTree });

/** Thrown when one sequence of a site is committed with two contents. */
export class ContradictoryCommit extends Error {
  override readonly name = 'ContradictoryCommit';
  constructor(commit: CommitIssued) {
    super(`run ${commit.runId} commits other content as ${commit.site} ${commit.sequence}`);
  }
}

/** The content of a site that the last commit made live, and the snapshots of its assignments. */
export const shadow: Aggregate<ShadowState, ShadowCommand, ShadowEvent> = {
  type: 'shadow',
  initial: { situation: 'empty', lastSnapshot: 0 },

  evolve(state, { type, data }) {
    switch (type) {
      case 'ShadowMoved':
        return {
          lastSnapshot: state.lastSnapshot,
          situation: 'live',
          tree: {
            sequence: Number(data.sequence),
            treeDigest: hex(data.treeDigest),
            manifestDigest: hex(data.manifestDigest),
          },
        };
      case 'SnapshotRecorded':
        return { ...state, lastSnapshot: Number(data.sequence) };
    }
  },

  decide(command, state) {
    switch (command.type) {
      case 'move-shadow':
        return move(command.commit, state);
      case 'record-snapshots':
        return command.assignments
          .filter((assignment) => Number(assignment.sequence) > state.lastSnapshot)
          .sort((a, b) => Number(a.sequence - b.sequence))
          .map(snapshotOf);
    }
  },
};

/** The sequence of a commit that brings servers to a tree and leaves the site's version. */
const noVersion = 0n;

/** Sequences rise: a commit that is not newer than the shadow has had its effect. */
function move(commit: CommitIssued, state: ShadowState): ShadowEvent[] {
  const { site, runId, sequence, treeDigest, manifestDigest } = commit;
  if (sequence === noVersion) return [];
  if (state.situation === 'live' && Number(sequence) <= state.tree.sequence) {
    const isSame = Number(sequence) === state.tree.sequence;
    if (isSame && hex(treeDigest) !== state.tree.treeDigest) throw new ContradictoryCommit(commit);
    return [];
  }
  return [event('ShadowMoved', { site, runId, sequence, treeDigest, manifestDigest })];
}

function snapshotOf(assignment: AssignmentBuilt): ShadowEvent {
  const { site, runId, assignmentId, sequence, containerDigest } = assignment;
  const { baseTreeDigest, resultTreeDigest } = assignment;
  return event('SnapshotRecorded', {
    site,
    runId,
    assignmentId,
    sequence,
    containerDigest,
    baseTreeDigest,
    resultTreeDigest,
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
