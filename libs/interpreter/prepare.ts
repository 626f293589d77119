import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import { timeSlice } from '#libs/content-store/adapters/time-slice.js';
import { emptyManifest, type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import type { AssignmentHeader, Command } from '#libs/contracts/host.js';
import { BaseTree } from './adapters/base-tree.js';
import { appendRecord } from './adapters/journal-file.js';
import { loadManifestFile, writeManifestFile } from './adapters/manifest-file.js';
import { removeTree } from './adapters/removal.js';
import { openSite, requireSpace, syncDirectory } from './adapters/site-directory.js';
import { completeVersions, readSite, type SiteOnDisk } from './adapters/site-state.js';
import { buildVersion, type VersionPaths } from './adapters/version-builder.js';
import { checkAdmission } from './admission.js';
import type { BuildCounts } from './build-counts.js';
import { namedDiskError } from './errors.js';
import { exclusively } from './exclusive.js';
import { readContent } from './file-content.js';
import { removeStaged, stageDirectory } from './live-directory.js';
import { maxPathBytes } from './paths.js';
import { type FileReader, type Plan, planConfigured } from './plan.js';
import { defaultPolicy, type PlanPolicy } from './policy.js';
import type { ContentSource, InterpreterPorts, OtherHost } from './ports.js';
import {
  buildingPath,
  manifestPath,
  pristinePath,
  type SiteLayout,
  type SiteLocation,
  versionPath,
} from './site-layout.js';
import { defaultSitePolicy, pathMatcher, type SitePolicy } from './site-policy.js';

/** A switch of another site that is due waits no longer for the planning of a large one. */
const planningSliceMs = 10;

/** A verified assignment, as `libs/assignment` reads it from a container. */
export interface PrepareInput extends SiteLocation {
  readonly head: { readonly header: AssignmentHeader };
  readonly commands: Iterable<Command> | AsyncIterable<Command>;
  readonly data: ContentSource;
  /** This server's name, to check the assignment's scope. */
  readonly node?: string;
  readonly policy?: Partial<PlanPolicy>;
  readonly sitePolicy?: Partial<SitePolicy>;
}

/** A complete version beside the live one. */
export interface Prepared extends BuildCounts {
  readonly sequence: number;
  /** SHA-256, lower-case hex. */
  readonly treeDigest: string;
}

/**
 * Makes the version of an assignment: plans it whole, builds it beside the live one, flushes it
 * once and journals it. After an error nothing of it is left and the live version is untouched. A
 * repetition finds the version and writes nothing.
 * @throws AssignmentRefused, UnsupportedAssignment, IllegalCommand, WrongResult: before a byte is
 * written
 * @throws WrongContent, DamagedBase, DiskFull, QuotaExceeded, ReadOnlyDisk, DiskFailure
 */
export async function prepare(input: PrepareInput, ports: InterpreterPorts): Promise<Prepared> {
  try {
    const layout = openSite(input);
    return await exclusively(layout.directory, () => prepareIn(layout, input, ports));
  } catch (error) {
    throw namedDiskError(error);
  }
}

async function prepareIn(layout: SiteLayout, input: PrepareInput, ports: InterpreterPorts) {
  const { header } = input.head;
  const site = readSite(layout);
  const repeated = alreadyPrepared(layout, site, header);
  if (repeated) return repeated;
  admit(input, site, ports);
  const base = await findBase(layout, site, header);
  const plan = await planInput(layout, input, base, ports);
  requireSpace(layout, header);
  const version = { sequence: Number(header.sequence), treeDigest: plan.treeDigest };
  try {
    const counts = await build(layout, version, { input, plan, base: base.paths }, ports);
    return { ...version, ...counts };
  } catch (error) {
    await giveUp(layout, version, { input, error }, ports);
    throw error;
  }
}

/** @throws AssignmentRefused, UnsupportedAssignment */
export function admit(
  input: PrepareInput,
  site: SiteOnDisk,
  { clock, otherHost }: Pick<InterpreterPorts, 'clock' | 'otherHost'>,
): void {
  // The links count too: what is live must not be built again, even if the journal was lost.
  const highestSwitched = Math.max(site.highestSwitched, site.live ?? 0, site.backup ?? 0);
  const agentType = otherHost?.agentType;
  const nowMs = clock.nowMs();
  checkAdmission(input.head.header, { ...input, nowMs, highestSwitched, agentType });
}

/** Plans without writing anything. @throws as `prepare` before it writes */
export async function planInput(
  layout: SiteLayout,
  input: PrepareInput,
  { manifest, paths }: PlanBase,
  { decodePatch }: Pick<InterpreterPorts, 'decodePatch'>,
): Promise<Plan> {
  const { header } = input.head;
  const hooks = Object.keys(input.sitePolicy?.hooks ?? {});
  const { names, links } = { ...defaultSitePolicy, ...input.sitePolicy };
  const policy: PlanPolicy = {
    ...defaultPolicy,
    ...{ maxPathBytes: roomForPaths(layout), hooks, linkTargets: links },
    ...{ refuseCaseCollisions: names === 'portable', refuseReservedNames: names === 'portable' },
    ...input.policy,
  };
  const commands = await collect(input.commands, header);
  const read: FileReader = async (entry, origin) => {
    const base = new BaseTree(paths.tree, paths.pristine);
    try {
      return await readContent(entry, origin, { data: input.data, base, decodePatch });
    } finally {
      base.close();
    }
  };
  const pause = timeSlice(planningSliceMs);
  return planConfigured(manifest, commands, { caps: header, policy, read, pause });
}

/** The version that an assignment starts from. */
export interface PlanBase {
  readonly manifest: Manifest;
  readonly paths: VersionPaths;
}

interface Version {
  readonly sequence: number;
  readonly treeDigest: string;
}

interface BuildOrder {
  readonly input: PrepareInput;
  readonly plan: Plan;
  readonly base: VersionPaths;
}

/** The order of these steps is what makes a crash leave a version either complete or not there. */
async function build(
  layout: SiteLayout,
  version: Version,
  { input, plan, base }: BuildOrder,
  ports: InterpreterPorts,
): Promise<BuildCounts> {
  const { sequence } = version;
  const policy = { ...defaultSitePolicy, ...input.sitePolicy };
  const journal = (state: 'PREPARING' | 'PREPARED', hooks?: readonly string[]) =>
    appendRecord(layout.journal, { state, ...version, timeMs: ports.clock.nowMs(), hooks });
  await clear(layout, sequence, policy);
  journal('PREPARING');
  ports.failpoint?.('preparing-journaled');
  const building = buildingPath(layout, sequence);
  const target = { tree: building, pristine: pristinePath(layout, sequence) };
  const counts = ports.otherHost
    ? await buildElsewhere(target.tree, version, { input, plan, base }, ports.otherHost)
    : await buildVersion(target, plan.steps, {
        base,
        data: input.data,
        decodePatch: ports.decodePatch,
        isWritable: pathMatcher(policy.writable),
        readOnly: policy.versions === 'read-only',
      });
  await writeManifestFile(manifestPath(layout, sequence), plan.result);
  ports.failpoint?.('tree-built');
  const { liveDirectory } = policy;
  if (liveDirectory) {
    await stageDirectory(layout, { sequence, tree: building, liveDirectory }, ports);
  }
  await ports.syncFilesystem(layout.versions);
  ports.failpoint?.('tree-synced');
  renameSync(building, versionPath(layout, sequence));
  ports.failpoint?.('version-placed');
  syncDirectory(layout.versions);
  journal('PREPARED', plan.hooks.length > 0 ? plan.hooks : undefined);
  ports.failpoint?.('prepared-journaled');
  return counts;
}

/** Of a version on another host an empty directory is here, which stands for it. */
async function buildElsewhere(
  tree: string,
  { sequence }: Version,
  { input, plan, base }: BuildOrder,
  otherHost: OtherHost,
): Promise<BuildCounts> {
  const baseSequence = Number(basename(base.tree));
  const counts = await otherHost.build({
    ...{ site: input.site, sequence, data: input.data },
    ...{ steps: plan.steps, result: plan.result },
    baseSequence: Number.isSafeInteger(baseSequence) ? baseSequence : undefined,
  });
  mkdirSync(tree);
  return counts;
}

function alreadyPrepared(
  layout: SiteLayout,
  site: SiteOnDisk,
  header: AssignmentHeader,
): Prepared | undefined {
  const sequence = Number(header.sequence);
  const digest = site.prepared.get(sequence);
  if (digest === undefined || !existsSync(versionPath(layout, sequence))) return undefined;
  if (digest === Buffer.from(header.resultTreeDigest).toString('hex')) {
    return { sequence, treeDigest: digest, filesWritten: 0, filesShared: 0, bytesWritten: 0 };
  }
  throw new AssignmentRefused(
    'replayed',
    `another tree was prepared as version ${sequence} of ${layout.site}`,
  );
}

/**
 * The version that has the base's tree, the live one first. @throws AssignmentRefused
 * `wrong-base`
 */
export async function findBase(
  layout: SiteLayout,
  site: SiteOnDisk,
  header: AssignmentHeader,
): Promise<PlanBase> {
  const digest = Buffer.from(header.baseTreeDigest).toString('hex');
  if (digest === '' || digest === treeDigest(emptyManifest)) {
    return { manifest: emptyManifest, paths: { tree: layout.versions, pristine: layout.versions } };
  }
  const newestFirst = completeVersions(layout, site).reverse();
  const candidates = site.live === undefined ? newestFirst : [site.live, ...newestFirst];
  for (const sequence of candidates.filter((each) => site.prepared.get(each) === digest)) {
    const manifest = await loadManifestFile(manifestPath(layout, sequence));
    if (!manifest) continue;
    const pristine = pristinePath(layout, sequence);
    return { manifest, paths: { tree: versionPath(layout, sequence), pristine } };
  }
  throw new AssignmentRefused(
    'wrong-base',
    `the assignment is for the tree ${digest}, which ${layout.site} has not on this server`,
  );
}

/** Stops reading as soon as there are more commands than declared: the plan refuses them then. */
async function collect(
  commands: PrepareInput['commands'],
  header: AssignmentHeader,
): Promise<Command[]> {
  const collected: Command[] = [];
  for await (const command of commands) {
    collected.push(command);
    if (collected.length > header.commandCount) break;
  }
  return collected;
}

/** What is left of the host's longest path below a version that is being built. */
function roomForPaths(layout: SiteLayout): number {
  const prefix = buildingPath(layout, Number.MAX_SAFE_INTEGER);
  return Math.max(0, maxPathBytes - Buffer.byteLength(prefix) - 1);
}

/** Removes whatever an unfinished attempt left. */
async function clear(
  layout: SiteLayout,
  sequence: number,
  { liveDirectory }: Partial<SitePolicy> = {},
): Promise<void> {
  await removeStaged(liveDirectory, [sequence]);
  await removeTree(buildingPath(layout, sequence));
  await removeTree(versionPath(layout, sequence));
  await removeTree(pristinePath(layout, sequence));
  rmSync(manifestPath(layout, sequence), { force: true });
}

async function giveUp(
  layout: SiteLayout,
  version: Version,
  { input, error }: { input: PrepareInput; error: unknown },
  { clock }: InterpreterPorts,
): Promise<void> {
  const reason = error instanceof Error ? error.name : 'Error';
  const record = { state: 'FAILED', ...version, timeMs: clock.nowMs(), reason } as const;
  try {
    await clear(layout, version.sequence, input.sitePolicy);
    appendRecord(layout.journal, { ...record, during: 'prepare' });
  } catch {
    // The disk refuses this too. The first error says why; `recover` removes what is left.
  }
}
