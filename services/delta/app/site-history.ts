import { createHash } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { BlobNotFound, type ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry, Manifest } from '#libs/content-store/manifest.js';
import {
  ChangeSummarySchema,
  type CheckpointVerificationSchema,
  type CheckpointView,
  CheckpointViewSchema,
  DomainError,
  type PathChangeSchema,
  type SiteDiffSchema,
  type SiteHistory,
  SiteHistorySchema,
  type VersionView,
  VersionViewSchema,
} from '#libs/contracts/index.js';
import { diffManifests } from '#libs/delta/diff.js';
import type { TreeDifference } from '#libs/delta/tree-difference.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { UnknownCheckpoint } from '../domain/checkpoint.js';
import { addDetails } from './version-details.js';

export class UnknownVersion extends DomainError {
  override readonly name = 'UnknownVersion';
  constructor(site: string, version: string) {
    super(
      `${site} has no version or checkpoint ${JSON.stringify(version)}`,
      `espalier history ${site} shows them; "live" is the live version`,
    );
  }
}

const maxPaths = 1_000;

/** What a site was, and what its versions hold: read from the log and the content store. */
export class SiteVersions {
  constructor(
    private readonly log: EventLog,
    private readonly store: ContentStore,
  ) {}

  /** With who made each version, why, and what changed. */
  async history(site: string): Promise<SiteHistory> {
    const history = await this.known(site);
    await addDetails(this.log, history.versions);
    return history;
  }

  private async known(site: string): Promise<SiteHistory> {
    const versions: VersionView[] = [];
    for (const { type, data, timeMs } of await this.log.read({ type: 'shadow', id: site })) {
      if (type !== 'ShadowMoved') continue;
      const { sequence, runId, takenBack } = data;
      const version = { sequence, runId, takenBack, ...digests(data), liveSince: at(timeMs) };
      versions.unshift(create(VersionViewSchema, version));
    }
    const [live] = versions;
    if (live) live.live = true;
    const checkpoints = new Map<string, CheckpointView>();
    for (const { type, data, timeMs } of await this.log.read({ type: 'checkpoint', id: site })) {
      if (type === 'CheckpointCreated') {
        const { checkpoint: name, sequence } = data;
        const view = { name, sequence, ...digests(data), createdAt: at(timeMs) };
        checkpoints.set(name, create(CheckpointViewSchema, view));
      } else if (type === 'CheckpointPinned') {
        const known = checkpoints.get(data.checkpoint);
        if (known) known.pinned = data.pinned;
      } else if (type === 'CheckpointDeleted') checkpoints.delete(data.checkpoint);
    }
    const newestFirst = [...checkpoints.values()].reverse();
    return create(SiteHistorySchema, { site, versions, checkpoints: newestFirst });
  }

  /** What makes one version into another. @throws UnknownVersion, BlobNotFound */
  async diff(
    site: string,
    from: string,
    to: string,
  ): Promise<MessageInitShape<typeof SiteDiffSchema>> {
    const history = await this.known(site);
    const [base, wanted] = await Promise.all([
      this.manifestOf(history, from),
      this.manifestOf(history, to),
    ]);
    const difference = diffManifests(base, wanted);
    const paths = pathChanges(difference);
    const changes = create(ChangeSummarySchema, {
      ...difference.counts,
      treeBytes: files(wanted).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      changedBytes: difference.changedBytes,
      diskNeededBytes: difference.diskNeededBytes,
    });
    return { changes, paths: paths.slice(0, maxPaths), truncated: paths.length > maxPaths };
  }

  /** Reads every byte of a checkpoint. @throws UnknownCheckpoint */
  async verify(
    site: string,
    name: string,
  ): Promise<MessageInitShape<typeof CheckpointVerificationSchema>> {
    const { checkpoints } = await this.known(site);
    const checkpoint = checkpoints.find((each) => each.name === name);
    if (!checkpoint) throw new UnknownCheckpoint(site, name);
    const problems: string[] = [];
    const checked = new Map<string, string>();
    const manifest = await this.readManifest(checkpoint.manifestDigest, problems);
    for (const { path, digest } of files(manifest)) {
      const problem = checked.get(digest) ?? (await this.problemOf(digest));
      checked.set(digest, problem);
      if (problem) problems.push(`${path}: ${problem}`);
    }
    const bytes = files(manifest).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return { intact: problems.length === 0, files: files(manifest).length, bytes, problems };
  }

  private async readManifest(digest: string, problems: string[]): Promise<Manifest> {
    try {
      return await this.store.readManifest(digest);
    } catch (error) {
      problems.push(`the manifest: ${(error as Error).message}`);
      return [];
    }
  }

  /** Empty when the blob is what its name says. */
  private async problemOf(digest: string): Promise<string> {
    const hash = createHash('sha256');
    try {
      for await (const chunk of this.store.read(digest)) hash.update(chunk);
    } catch (error) {
      if (error instanceof BlobNotFound) return 'its content is lost';
      throw error;
    }
    return hash.digest('hex') === digest ? '' : 'its content is damaged';
  }

  private manifestOf({ site, versions, checkpoints }: SiteHistory, name: string) {
    const number = name.replace(/^#/, '');
    const found =
      name === 'live'
        ? versions[0]
        : (checkpoints.find((each) => each.name === name) ??
          versions.find(({ sequence }) => String(sequence) === number));
    if (!found) throw new UnknownVersion(site, name);
    return this.store.readManifest(found.manifestDigest);
  }
}

function pathChanges(difference: TreeDifference): MessageInitShape<typeof PathChangeSchema>[] {
  const { added, copied, changed, deleted, renamed, metadata, typeChanged, symlinks } = difference;
  const entries = [
    ...added.map(({ path, sizeBytes }) => ({ kind: 'added', path, bytes: sizeBytes })),
    ...copied.map(({ wanted }) => ({ kind: 'added', path: wanted.path, bytes: 0 })),
    ...changed.map(({ wanted }) => ({
      ...{ kind: 'changed', path: wanted.path, bytes: wanted.sizeBytes },
    })),
    ...typeChanged.map(({ wanted }) => ({ kind: 'changed', path: wanted.path, bytes: 0 })),
    ...deleted.map(({ path }) => ({ kind: 'deleted', path, bytes: 0 })),
    ...renamed.map(({ from, wanted }) => ({
      ...{ kind: 'renamed', path: wanted.path, from: from.path, bytes: 0 },
    })),
    ...metadata.map(({ wanted }) => ({ kind: 'metadata', path: wanted.path, bytes: 0 })),
    ...symlinks.added.map(({ path }) => ({ kind: 'added', path, bytes: 0 })),
    ...symlinks.changed.map(({ path }) => ({ kind: 'changed', path, bytes: 0 })),
    ...symlinks.removed.map(({ path }) => ({ kind: 'deleted', path, bytes: 0 })),
  ];
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function files(manifest: Manifest): FileEntry[] {
  return manifest.filter((entry) => entry.type === 'file');
}

function digests(data: { treeDigest: Uint8Array; manifestDigest: Uint8Array }) {
  return {
    treeDigest: Buffer.from(data.treeDigest).toString('hex'),
    manifestDigest: Buffer.from(data.manifestDigest).toString('hex'),
  };
}

function at(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
