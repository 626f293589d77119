import type { ContentStore } from '#libs/content-store/content-store.js';
import type { Manifest } from '#libs/content-store/manifest.js';
import type { PinBook } from '#libs/content-store/pin-book.js';
import { DomainError } from '#libs/contracts/index.js';
import { requireUsableNames } from '#libs/delta/names.js';
import { filterManifest, pushedPin, pushedStaging } from '#libs/delta/pushed.js';
import type { Staging } from '../app/dependencies.js';
import { requireNames } from './local-staging.js';

export class NothingPushed extends DomainError {
  override readonly name = 'NothingPushed';
  constructor(site: string) {
    super(
      `no staging server has pushed content of ${site} yet`,
      `run espalier stage push ${site} DIR on the staging server`,
    );
  }
}

export class PushedContentMissing extends DomainError {
  override readonly name = 'PushedContentMissing';
  constructor(site: string, path: string) {
    super(
      `the content store has lost the content of ${path} of ${site}`,
      'bring it again: espalier stage push, or publish again where staging servers are asked',
    );
  }
}

/** What staging servers pushed; sites with a directory on this host are for `local`. */
export function pushedOrLocal(store: ContentStore, pins: PinBook, local: Staging): Staging {
  return {
    async capture(run) {
      if (run.staging !== pushedStaging) return local.capture(run);
      const [digest] = (await pins.find(pushedPin(run.site)))?.manifests ?? [];
      if (digest === undefined) throw new NothingPushed(run.site);
      const manifest = filterManifest(await store.readManifest(digest), run.filters);
      requireUsableNames(`what was pushed to ${run.site}`, manifest);
      requireNames(run, manifest);
      await requireContent(store, run.site, manifest);
      return { root: '', manifest, filesRead: 0, bytesRead: 0 };
    },
  };
}

/** @throws PushedContentMissing */
export async function requireContent(
  store: ContentStore,
  site: string,
  manifest: Manifest,
): Promise<void> {
  for (const entry of manifest) {
    if (entry.type !== 'file' || (await store.has(entry.digest))) continue;
    throw new PushedContentMissing(site, entry.path);
  }
}
