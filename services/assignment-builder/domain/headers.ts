import { posixType } from '#libs/assignment/command-sets.js';
import { type HeaderFields, switchAssignment } from '#libs/assignment/writer.js';
import { GoLive, type RecordedEvent } from '#libs/contracts/index.js';
import { nodesOf, type RunStarted } from './run.js';

/** A server that was away for longer needs a new assignment. */
export const assignmentLifeMs = 7 * 24 * 60 * 60 * 1000;

export const assignmentId = (site: string, sequence: bigint) => `${site}-${sequence}`;

/** What the header of a preparing assignment says, beside what its base decides. */
export interface PrepareFields {
  readonly resultTreeDigest: Uint8Array;
  readonly baseTreeDigest: Uint8Array;
  readonly diskNeededBytes: bigint;
  readonly nodes: readonly string[];
  /** It chooses the command set. */
  readonly agentType: string;
}

export function prepareHeader(
  run: RunStarted,
  fields: PrepareFields,
  sequence: bigint,
  nowMs: number,
): HeaderFields {
  const { nodes, ...rest } = fields;
  return {
    ...rest,
    assignmentId: assignmentId(run.site, sequence),
    runId: run.runId,
    site: run.site,
    sequence,
    type: run.type,
    part: 1,
    parts: 1,
    issuedAtMs: BigInt(nowMs),
    expiresAtMs: BigInt(nowMs + assignmentLifeMs),
    scope: { nodes: [...nodes] },
    switchOnApply: run.commit?.goLive === GoLive.ON_APPLY,
  };
}

/** What the header of a switching assignment says. */
export function switchHeader(
  commit: RecordedEvent<'CommitIssued'>['data'],
  sequence: bigint,
  nowMs: number,
): HeaderFields {
  return switchAssignment({
    assignmentId: assignmentId(commit.site, sequence),
    runId: commit.runId,
    site: commit.site,
    sequence,
    switchToSequence: commit.sequence,
    switchAtMs: commit.switchAtMs,
    resultTreeDigest: commit.treeDigest,
    nodes: nodesOf(commit.prepared),
    // It has no commands: agents of every type execute it.
    agentType: posixType,
    issuedAtMs: BigInt(nowMs),
    expiresAtMs: BigInt(nowMs + assignmentLifeMs),
  });
}
