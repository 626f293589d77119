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
  /** All servers of a run that was committed have switched back. */
  | { readonly type: 'take-back'; readonly runId: string; readonly site: string }
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
  /** Sequence of the newest commit; 0: there was none. */
  readonly lastCommit: number;
} & ({ readonly situation: 'empty' } | LiveSite);

interface LiveSite {
  readonly situation: 'live';
  readonly tree: LiveTree;
  /** The run that brought it. */
  readonly runId: string;
  /** What was live before it, until it is taken back. */
  readonly former?: LiveTree | undefined;
}

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
  initial: { situation: 'empty', lastSnapshot: 0, lastCommit: 0 },

  evolve(state, { type, data }) {
    switch (type) {
      case 'ShadowMoved':
        return {
          lastSnapshot: state.lastSnapshot,
          lastCommit: Math.max(state.lastCommit, Number(data.sequence)),
          situation: 'live',
          runId: data.runId,
          former: state.situation === 'live' && !data.takenBack ? state.tree : undefined,
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
      case 'take-back':
        return takeBack(command, state);
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
  if (state.situation === 'live' && Number(sequence) <= state.lastCommit) {
    const isSame = Number(sequence) === state.tree.sequence;
    if (isSame && hex(treeDigest) !== state.tree.treeDigest) throw new ContradictoryCommit(commit);
    return [];
  }
  return [event('ShadowMoved', { site, runId, sequence, treeDigest, manifestDigest })];
}

type TakeBack = Extract<ShadowCommand, { type: 'take-back' }>;

/** Only what is live now can be taken back, and only where something was live before. */
function takeBack({ runId, site }: TakeBack, state: ShadowState): ShadowEvent[] {
  if (state.situation !== 'live' || state.runId !== runId || !state.former) return [];
  const { sequence, treeDigest, manifestDigest } = state.former;
  return [
    event('ShadowMoved', {
      ...{ site, runId, sequence: BigInt(sequence), takenBack: true },
      treeDigest: bytes(treeDigest),
      manifestDigest: bytes(manifestDigest),
    }),
  ];
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

function bytes(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, 'hex'));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
