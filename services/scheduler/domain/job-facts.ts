import type { SiteCreated } from '#libs/contracts/index.js';
import type { Server } from './targets.js';
import type { SiteVersions, StoredTree } from './versions.js';

/** What a job is planned from. */
export interface JobFacts {
  readonly site?: SiteCreated | undefined;
  readonly versions: SiteVersions;
  /** Servers that the site's groups select. */
  readonly members: readonly Server[];
  /** All other registered servers. */
  readonly others: readonly Server[];
}

/** What a run does, and on which servers. */
export interface Job {
  readonly targets: readonly Server[];
  /** The tree to bring to them; undefined: delta computes it. */
  readonly wanted?: StoredTree;
  /** Servers are brought to a tree; the site's live version stays. */
  readonly keepsLiveVersion: boolean;
  /** Nothing that a server has is used. */
  readonly fromNothing?: boolean;
  /** There is nobody to bring anything to, and that is in order. */
  readonly mayBeEmpty?: boolean;
}
