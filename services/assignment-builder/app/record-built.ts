import { create } from '@bufbuild/protobuf';
import { posixType } from '#libs/assignment/command-sets.js';
import type { WrittenAssignment } from '#libs/assignment/writer.js';
import { AssignmentBuiltSchema, type RunTarget } from '#libs/contracts/index.js';
import type { Built, LedgerCommand } from '../domain/assignment-ledger.js';

/** What the ledger records of a draft beside what its containers say themselves. */
interface Draft {
  readonly targets: readonly RunTarget[];
  readonly resultManifestDigest: Uint8Array;
}

/** The command that records the containers of a draft, one for each part. */
export function recordBuilt(
  draft: Draft,
  written: readonly WrittenAssignment[],
  buildMs: number,
): LedgerCommand {
  const [built, ...further] = written.map((part) => builtOf(draft, part, buildMs));
  if (!built) throw new Error('an assignment has at least one part');
  return { type: 'RecordBuilt', built, further };
}

function builtOf(draft: Draft, written: WrittenAssignment, buildMs: number): Built {
  const { header, containerDigest, containerBytes } = written;
  return create(AssignmentBuiltSchema, {
    assignmentId: header.assignmentId,
    runId: header.runId,
    site: header.site,
    sequence: header.sequence,
    type: header.type,
    baseTreeDigest: header.baseTreeDigest,
    resultTreeDigest: header.resultTreeDigest,
    commandCount: header.commandCount,
    dataBytes: header.dataBytes,
    agentType: header.agentType === posixType ? '' : header.agentType,
    switchToSequence: header.switchToSequence,
    containerDigest: new Uint8Array(Buffer.from(containerDigest, 'hex')),
    containerBytes: BigInt(containerBytes),
    resultManifestDigest: draft.resultManifestDigest,
    targets: [...draft.targets],
    buildMs: BigInt(buildMs),
    ...(header.parts > 1 ? { part: header.part, parts: header.parts } : {}),
  });
}
