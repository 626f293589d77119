import { BlobNotFound, type ContentStore } from '#libs/content-store/content-store.js';
import { emptyManifest, type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import { MalformedManifest } from '#libs/content-store/manifest-codec.js';
import type { Pin } from '#libs/content-store/pins.js';
import {
  DomainError,
  type EventContext,
  JobType,
  type RecordedEvent,
  type RunStarted,
} from '#libs/contracts/index.js';
import { diffManifests } from '#libs/delta/diff.js';
import { execute, load } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { type ChangeSetCommand, changeSet } from '../domain/change-set.js';
import { type ShadowState, shadow } from '../domain/shadow.js';
import { configuredTree } from './configured-tree.js';
import { runPin } from './content-pins.js';
import type { PublishDependencies } from './dependencies.js';
import { ContentNotStored, ShadowBehindCommit, ShadowContentMissing } from './errors.js';
import { type ChangeSet, jobChanges } from './job-reaction.js';

/** Longer than any change set takes. */
const holdMs = 6 * 60 * 60 * 1000;

/**
 * Computes what a run changes and records it, or why it cannot be computed. Harmless to repeat.
 * @throws ShadowBehindCommit, and what is wrong with log or disk for the moment: try again later
 */
export async function computeChangeSet(
  dependencies: PublishDependencies,
  { data: run }: RecordedEvent<'RunStarted'>,
  context: EventContext,
): Promise<void> {
  const { log, clock, pins } = dependencies;
  const { state } = await load(log, changeSet, run.runId);
  if (state.situation !== 'awaited') return;
  const name = runPin(run.runId);
  await pins.hold(name, holdMs);
  try {
    const command = await compute(dependencies, run, context);
    if (command.type === 'record-result') await pins.pin(name, contentOf(command.result));
    await execute(log, changeSet, run.runId, command, context, clock.nowMs());
  } finally {
    await pins.release(name);
  }
}

/** The blobs of both trees of a change set: the builder and the next delta need them. */
function contentOf(result: ChangeSet): Pin {
  const { baseManifestDigest, resultManifestDigest } = result;
  const digests = [baseManifestDigest, resultManifestDigest].map((digest) =>
    Buffer.from(digest ?? []).toString('hex'),
  );
  // A dry run stores manifests, but no content.
  return result.dryRun ? { blobs: digests, manifests: [] } : { blobs: [], manifests: digests };
}

async function compute(
  dependencies: PublishDependencies,
  run: RunStarted,
  context: EventContext,
): Promise<ChangeSetCommand> {
  try {
    return { type: 'record-result', result: await changes(dependencies, run, context) };
  } catch (error) {
    const refusal = asRefusal(error, run.site);
    const reason = `${refusal.message}: ${refusal.remedy}`;
    return { type: 'record-failure', failure: { runId: run.runId, site: run.site, reason } };
  }
}

async function changes(
  dependencies: PublishDependencies,
  run: RunStarted,
  context: EventContext,
): Promise<ChangeSet> {
  const { log } = dependencies;
  const { state } = await load(log, shadow, run.site);
  await requireCurrent(log, run.site, state);
  if (run.type === JobType.PUBLISH && !run.wanted) return publishChanges(dependencies, run, state);
  return jobChanges(dependencies, run, state, context);
}

async function publishChanges(
  { clock, store, staging }: PublishDependencies,
  run: RunStarted,
  state: ShadowState,
): Promise<ChangeSet> {
  const startedAtMs = clock.nowMs();
  await requireBase(store, run.site, state);
  const staged = await staging.capture(run);
  const manifest = await configuredTree(store, run, staged.manifest);
  const base = await readBase(store, run.site, state, manifest);
  const difference = diffManifests(base, manifest);
  return {
    runId: run.runId,
    site: run.site,
    dryRun: run.dryRun,
    baseTreeDigest: bytes(state.situation === 'live' ? state.tree.treeDigest : ''),
    resultTreeDigest: bytes(treeDigest(manifest)),
    baseManifestDigest: bytes(
      state.situation === 'live' ? state.tree.manifestDigest : await store.writeManifest(base),
    ),
    resultManifestDigest: bytes(await store.writeManifest(manifest)),
    counts: difference.counts,
    treeBytes: BigInt(sizeOf(manifest)),
    changedBytes: BigInt(difference.changedBytes),
    diskNeededBytes: BigInt(difference.diskNeededBytes),
    scanMs: BigInt(Math.max(0, clock.nowMs() - startedAtMs)),
  };
}

/**
 * Events of different aggregates may overtake each other, so the commit of the run before may not
 * have moved the shadow yet. The ledger knows: it has an assignment to switch for every commit.
 */
async function requireCurrent(
  log: EventLog,
  site: string,
  { lastCommit: at }: ShadowState,
): Promise<void> {
  for (const { type, data } of await log.read({ type: 'assignment', id: site })) {
    if (type !== 'AssignmentBuilt' || data.type !== JobType.SWITCH) continue;
    const committed = Number(data.switchToSequence);
    if (committed > at) throw new ShadowBehindCommit(site, at, committed);
  }
}

/** Before anything is read. @throws ShadowContentMissing */
async function requireBase(store: ContentStore, site: string, state: ShadowState): Promise<void> {
  if (state.situation === 'empty' || (await store.has(state.tree.manifestDigest))) return;
  throw new ShadowContentMissing(site, new BlobNotFound(state.tree.manifestDigest));
}

async function readBase(
  store: ContentStore,
  site: string,
  state: ShadowState,
  like: Manifest,
): Promise<Manifest> {
  if (state.situation === 'empty') return emptyManifest;
  try {
    return await store.readManifest(state.tree.manifestDigest, like);
  } catch (error) {
    const isLost = error instanceof BlobNotFound || error instanceof MalformedManifest;
    throw isLost ? new ShadowContentMissing(site, error) : error;
  }
}

const storageFailures = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM']);

/** What the user can act on; everything else is thrown on. */
function asRefusal(error: unknown, site: string): DomainError {
  if (error instanceof DomainError) return error;
  if (error instanceof BlobNotFound) return new ShadowContentMissing(site, error);
  const failure = error as NodeJS.ErrnoException;
  if (storageFailures.has(failure.code ?? '')) return new ContentNotStored(site, failure);
  throw error;
}

function sizeOf(manifest: Manifest): number {
  return manifest.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.sizeBytes : 0), 0);
}

function bytes(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, 'hex'));
}
