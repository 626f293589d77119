import { AssignmentRefused } from '#libs/assignment/errors.js';
import { openContainer, openData, streamCommands } from '#libs/assignment/reader.js';
import { hostPorts } from '#libs/interpreter/adapters/host-ports.js';
import { type DryRun, dryRun } from '#libs/interpreter/dry-run.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';

/**
 * What an agent whose directory is `root` would do with a container; nothing is written.
 * @throws AssignmentRefused, UnsupportedAssignment, IllegalCommand, WrongResult: as the agent would
 */
export async function dryRunContainer(
  path: string,
  trust: TrustRoot,
  root: string,
): Promise<DryRun> {
  const head = await openContainer(path, trust);
  const { site, encryption, parts, assignmentId } = head.header;
  if (encryption || parts > 1) {
    const why = encryption ? 'is encrypted for its servers' : `is one of ${parts} parts`;
    throw new AssignmentRefused('out-of-scope', `${assignmentId} ${why}`);
  }
  const data = await openData(path, head);
  try {
    const commands = streamCommands(path, head);
    return await dryRun({ root, site, head, commands, data }, hostPorts);
  } finally {
    await data.close();
  }
}
