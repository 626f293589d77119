import type { KeyObject } from 'node:crypto';
import type { AssignmentHead } from '#libs/assignment/container.js';
import { dataKeyFor } from '#libs/assignment/data-key.js';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import { openJob, type Part, versionSequence } from '#libs/assignment/job.js';
import { openContainer } from '#libs/assignment/reader.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { PartShelf } from './adapters/part-shelf.js';
import { openSite } from './adapters/site-directory.js';
import { checkAdmission } from './admission.js';
import { namedDiskError } from './errors.js';
import type { PlanPolicy } from './policy.js';
import type { InterpreterPorts } from './ports.js';
import { type Prepared, prepare } from './prepare.js';
import type { SitePolicy } from './site-policy.js';
import { findVersion } from './versions.js';

/** A verified container on this server. */
export interface ContainerInput {
  /** The agent's directory. */
  readonly root: string;
  readonly node: string;
  readonly path: string;
  readonly head: AssignmentHead;
  readonly trust: TrustRoot;
  /** This server's, for encrypted assignments. */
  readonly agreementKey?: KeyObject;
  readonly policy?: Partial<PlanPolicy>;
  readonly sitePolicy?: Partial<SitePolicy>;
}

/** A version, or what of its job is here so far. */
export type ContainerOutcome =
  | { readonly kind: 'prepared'; readonly prepared: Prepared }
  | { readonly kind: 'waiting'; readonly present: number; readonly parts: number };

/**
 * Prepares the version of a container. Of a job in parts it keeps what arrives, in any order and
 * across restarts, until the last one is here; then all of them prepare one version.
 * @throws what `prepare` and `dataKeyFor` throw
 */
export async function prepareContainer(
  input: ContainerInput,
  ports: InterpreterPorts,
): Promise<ContainerOutcome> {
  const { header } = input.head;
  if (header.parts <= 1) {
    return { kind: 'prepared', prepared: await prepareJob(input, [partOf(input)], ports) };
  }
  const known = knownVersion(input);
  if (known) return { kind: 'prepared', prepared: known };
  const shelf = await shelve(input, ports);
  const present = await shelf.parts();
  if (present.size < header.parts) {
    return { kind: 'waiting', present: present.size, parts: header.parts };
  }
  const parts: Part[] = [];
  for (const path of present.values()) {
    const head = await openContainer(path, input.trust);
    parts.push(partOf({ ...input, path, head }));
  }
  const prepared = await prepareJob(input, parts, ports);
  await shelf.clear();
  return { kind: 'prepared', prepared };
}

/** The version, when the parts have prepared it before. */
function knownVersion({ root, head: { header } }: ContainerInput): Prepared | undefined {
  const treeDigest = Buffer.from(header.resultTreeDigest).toString('hex');
  const sequence = findVersion({ root, site: header.site }, treeDigest);
  if (sequence === undefined || BigInt(sequence) !== versionSequence(header)) return undefined;
  return { sequence, treeDigest, filesWritten: 0, filesShared: 0, bytesWritten: 0 };
}

async function shelve(input: ContainerInput, ports: InterpreterPorts): Promise<PartShelf> {
  const { root, node, path, head } = input;
  const { header } = head;
  const { site } = header;
  const agentType = ports.otherHost?.agentType;
  const facts = { site, node, nowMs: ports.clock.nowMs(), highestSwitched: 0, agentType };
  checkAdmission({ ...header, part: 1, parts: 1 }, facts);
  const version = versionSequence(header);
  if (version > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new AssignmentRefused('too-large', `the sequence ${version} is too large`);
  }
  try {
    const shelf = new PartShelf(openSite({ root, site }), version);
    await shelf.clearOlder();
    await shelf.put(header.part, path);
    return shelf;
  } catch (error) {
    throw namedDiskError(error);
  }
}

function partOf({ path, head, node, agreementKey }: ContainerInput): Part {
  if (!head.header.encryption) return { path, head };
  if (!agreementKey) {
    throw new AssignmentRefused('out-of-scope', `${node} has no key to read encrypted assignments`);
  }
  return { path, head, dataKey: dataKeyFor(head.header, node, agreementKey) };
}

async function prepareJob(
  { root, node, policy, sitePolicy }: ContainerInput,
  parts: readonly Part[],
  ports: InterpreterPorts,
): Promise<Prepared> {
  const { header, commands, data } = await openJob(parts);
  try {
    const input = { root, site: header.site, head: { header }, commands: commands(), data, node };
    return await prepare({ ...input, policy, sitePolicy }, ports);
  } finally {
    await data.close();
  }
}
