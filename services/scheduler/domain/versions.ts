import type { RecordedEvent } from '#libs/contracts/index.js';

/** A tree that the content store has. Digests are lower-case hex. */
export interface StoredTree {
  readonly treeDigest: string;
  readonly manifestDigest: string;
}

/** What a site has been, and its checkpoints. */
export interface SiteVersions {
  /** Oldest first; the last one is live. */
  readonly versions: readonly (StoredTree & { readonly sequence: number })[];
  readonly checkpoints: ReadonlyMap<string, StoredTree>;
}

/** From the events of the site's aggregates `shadow` and `checkpoint`. */
export function siteVersions(events: readonly RecordedEvent[]): SiteVersions {
  const versions: (StoredTree & { sequence: number })[] = [];
  const checkpoints = new Map<string, StoredTree>();
  for (const { type, data } of events) {
    if (type === 'ShadowMoved') {
      versions.push({ sequence: Number(data.sequence), ...treeOf(data) });
    } else if (type === 'CheckpointCreated') checkpoints.set(data.checkpoint, treeOf(data));
    else if (type === 'CheckpointDeleted') checkpoints.delete(data.checkpoint);
  }
  return { versions, checkpoints };
}

function treeOf(data: { treeDigest: Uint8Array; manifestDigest: Uint8Array }): StoredTree {
  return {
    treeDigest: Buffer.from(data.treeDigest).toString('hex'),
    manifestDigest: Buffer.from(data.manifestDigest).toString('hex'),
  };
}
