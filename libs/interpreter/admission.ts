import { posixType } from '#libs/assignment/command-sets.js';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import { type AssignmentHeader, JobType } from '#libs/contracts/host.js';
import { UnsupportedAssignment } from './errors.js';

/** What this server knows when an assignment arrives. */
export interface AdmissionFacts {
  readonly site: string;
  /** This server's name; undefined where scopes are checked by the caller. */
  readonly node?: string;
  readonly nowMs: number;
  /** The newest sequence that was ever live here; 0: none. */
  readonly highestSwitched: number;
  /** Whose command set is executed here; `posix/1` unless told. */
  readonly agentType?: string | undefined;
}

/**
 * Judges a verified header before its commands are looked at.
 * @throws AssignmentRefused `out-of-scope`, `expired`, `replayed`
 * @throws UnsupportedAssignment
 */
export function checkAdmission(header: AssignmentHeader, facts: AdmissionFacts): void {
  const { site, node, nowMs, highestSwitched, agentType = posixType } = facts;
  const name = `assignment ${header.sequence} of ${header.site}`;
  if (header.site !== site) {
    throw new AssignmentRefused('out-of-scope', `the ${name} is not for the site ${site}`);
  }
  const nodes = header.scope?.nodes ?? [];
  if (node !== undefined && nodes.length > 0 && !nodes.includes(node)) {
    throw new AssignmentRefused('out-of-scope', `the ${name} is not for the server ${node}`);
  }
  if (header.expiresAtMs > 0n && BigInt(nowMs) > header.expiresAtMs) {
    throw new AssignmentRefused('expired', `the ${name} has expired`);
  }
  if (header.sequence <= BigInt(highestSwitched)) {
    throw new AssignmentRefused('replayed', `the ${name} is older than ${highestSwitched}`);
  }
  if (header.sequence > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new UnsupportedAssignment(`the ${name} has too large a sequence`);
  }
  // A switch has no commands.
  if (header.type !== JobType.SWITCH && header.agentType !== agentType) {
    throw new UnsupportedAssignment(
      `the ${name} is for agents of type ${JSON.stringify(header.agentType)}, not ${agentType}`,
    );
  }
  if (header.parts > 1) {
    throw new UnsupportedAssignment(`the ${name} has ${header.parts} parts; one is supported`);
  }
}
