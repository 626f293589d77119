import type { MessageInitShape } from '@bufbuild/protobuf';
import { emptyManifest, type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import {
  type ChangeSetComputedSchema,
  type EventContext,
  JobType,
  type RunStarted,
} from '#libs/contracts/index.js';
import { diffManifests } from '#libs/delta/diff.js';
import { execute } from '#libs/event-log/aggregate.js';
import { checkpointAggregate } from '../domain/checkpoint.js';
import type { LiveTree, ShadowState } from '../domain/shadow.js';
import { treeOfOnly, treeWithout } from '../domain/tree-selection.js';
import type { PublishDependencies } from './dependencies.js';
import { HotTooLarge, NothingIsLive, SiteChangedMeanwhile, UnsupportedRun } from './errors.js';

export type ChangeSet = MessageInitShape<typeof ChangeSetComputedSchema>;

const defaultKeptCheckpoints = 5;

/**
 * What a run that does not look at the staging directory brings to its servers. The base that it is
 * compared with is what is live, or, where that stays, what most of the servers serve.
 * @throws DomainErrors, BlobNotFound
 */
export async function jobChanges(
  dependencies: PublishDependencies,
  run: RunStarted,
  state: ShadowState,
  context: EventContext,
): Promise<ChangeSet> {
  const { clock, store } = dependencies;
  const startedAtMs = clock.nowMs();
  const tree = state.situation === 'empty' ? undefined : state.tree;
  // The waves of a first publication go before anything is live.
  if (!tree && !run.rolloutRunId) throw new NothingIsLive(run.site);
  const live = tree ? await store.readManifest(tree.manifestDigest) : emptyManifest;
  const wanted = await wantedTree(dependencies, run, tree, live);
  if (tree && run.type === JobType.CREATE_CHECKPOINT) {
    await createCheckpoint(dependencies, run, tree, context);
  }
  const isSame = run.type === JobType.CREATE_CHECKPOINT || !run.keepsLiveVersion;
  const base = isSame ? live : await servedTree(dependencies, run, treeDigest(wanted));
  const difference = diffManifests(base, wanted);
  return {
    runId: run.runId,
    site: run.site,
    dryRun: run.dryRun,
    baseTreeDigest: base.length > 0 ? bytes(treeDigest(base)) : new Uint8Array(),
    resultTreeDigest: bytes(treeDigest(wanted)),
    baseManifestDigest: bytes(await store.writeManifest(base)),
    resultManifestDigest: bytes(await store.writeManifest(wanted)),
    counts: difference.counts,
    treeBytes: BigInt(bytesOf(wanted)),
    changedBytes: BigInt(difference.changedBytes),
    diskNeededBytes: BigInt(difference.diskNeededBytes),
    scanMs: BigInt(Math.max(0, clock.nowMs() - startedAtMs)),
  };
}

async function wantedTree(
  { store }: PublishDependencies,
  run: RunStarted,
  tree: LiveTree | undefined,
  live: Manifest,
): Promise<Manifest> {
  if (run.type === JobType.CREATE_CHECKPOINT) return live;
  if (run.wanted) {
    const isWave = run.type === JobType.PUBLISH;
    if (run.keepsLiveVersion && !isWave && hex(run.wanted.treeDigest) !== tree?.treeDigest) {
      throw new SiteChangedMeanwhile(run.site);
    }
    return store.readManifest(hex(run.wanted.manifestDigest), live);
  }
  if (run.type === JobType.REMOVE) return treeWithout(live, run.paths);
  if (run.type === JobType.HOT) return hotTree(run, live);
  throw new UnsupportedRun(JobType[run.type] ?? String(run.type));
}

/** @throws PathNotLive, HotTooLarge */
function hotTree({ site, paths, policy }: RunStarted, live: Manifest): Manifest {
  const tree = treeOfOnly(live, paths);
  const limit = Number(policy?.hot?.byteLimit ?? 0n);
  const size = bytesOf(tree);
  if (limit > 0 && size > limit) throw new HotTooLarge(site, size, limit);
  return tree;
}

/** What most servers serve that do not serve the wanted tree yet. */
async function servedTree(
  { log, store }: PublishDependencies,
  run: RunStarted,
  wanted: string,
): Promise<Manifest> {
  const others = run.served.filter(({ treeDigest }) => hex(treeDigest) !== wanted);
  const [largest] = others.sort((a, b) => b.nodes.length - a.nodes.length);
  const digest = hex(largest?.treeDigest ?? new Uint8Array());
  for (const { type, data } of await log.read({ type: 'assignment', id: run.site })) {
    if (type !== 'AssignmentBuilt' || hex(data.resultTreeDigest) !== digest) continue;
    const manifest = hex(data.resultManifestDigest);
    if (await store.has(manifest)) return store.readManifest(manifest);
  }
  return emptyManifest;
}

async function createCheckpoint(
  { log, clock }: PublishDependencies,
  run: RunStarted,
  tree: LiveTree,
  context: EventContext,
): Promise<void> {
  const { site, runId, checkpoint, policy } = run;
  const command = {
    type: 'create',
    checkpoint: {
      ...{ site, runId, checkpoint },
      sequence: BigInt(tree.sequence),
      treeDigest: bytes(tree.treeDigest),
      manifestDigest: bytes(tree.manifestDigest),
    },
    kept: policy?.keptCheckpoints || defaultKeptCheckpoints,
  } as const;
  await execute(log, checkpointAggregate, site, command, context, clock.nowMs());
}

function bytesOf(tree: Manifest): number {
  return tree.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.sizeBytes : 0), 0);
}

function bytes(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, 'hex'));
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}
