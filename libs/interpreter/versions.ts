import { existsSync, renameSync, rmSync } from 'node:fs';
import { removeTree } from './adapters/removal.js';
import { openSite } from './adapters/site-directory.js';
import { completeVersions, namesOfVersions, readSite } from './adapters/site-state.js';
import { exclusively } from './exclusive.js';
import type { SiteLocation } from './site-layout.js';
import {
  manifestPath,
  pristinePath,
  removingPath,
  type SiteLayout,
  versionPath,
} from './site-layout.js';

/** Versions that stay on disk besides the live one and the backup. */
export const defaultKeptVersions = 3;

/** What a complete version has in the directory of versions. */
const keptSuffixes = new Set(['', '.manifest', '.pristine']);

/** The newest complete version on this server with this tree, if there is one. */
export function findVersion(location: SiteLocation, treeDigest: string): number | undefined {
  const layout = openSite(location);
  const site = readSite(layout);
  return completeVersions(layout, site).findLast(
    (sequence) => site.prepared.get(sequence) === treeDigest,
  );
}

/**
 * Removes all but the newest `keptVersions` versions, the live one and the backup. Waits for a
 * version that is being prepared, whose base may be an old one. Returns what was removed.
 */
export async function prune(layout: SiteLayout, keptVersions: number): Promise<readonly number[]> {
  return exclusively(layout.directory, async () => {
    const outdated = setAside(layout, keptVersions);
    for (const sequence of outdated) {
      await removeTree(removingPath(layout, sequence));
      await removeTree(pristinePath(layout, sequence));
    }
    return outdated;
  });
}

/**
 * Takes the names away in one go, so that no switch can come between the choice and the removal.
 */
function setAside(layout: SiteLayout, keptVersions: number): readonly number[] {
  const site = readSite(layout);
  const complete = completeVersions(layout, site);
  // A switch that waits until it is due, too.
  const next = site.lastSwitch?.sequence;
  const newest = complete.slice(Math.max(0, complete.length - keptVersions));
  const kept = new Set([...newest, site.live, site.backup, next]);
  const damaged = [...site.damaged].filter((sequence) => existsSync(versionPath(layout, sequence)));
  const outdated = [...new Set([...complete, ...damaged])].filter(
    (sequence) => !kept.has(sequence),
  );
  for (const sequence of outdated) {
    renameSync(versionPath(layout, sequence), removingPath(layout, sequence));
    rmSync(manifestPath(layout, sequence), { force: true });
  }
  return outdated;
}

/** Removes everything in the directory of versions that belongs to no complete version. */
export async function removeLeftovers(layout: SiteLayout): Promise<void> {
  const complete = new Set(completeVersions(layout, readSite(layout)));
  for (const { name, sequence, suffix } of namesOfVersions(layout)) {
    const wanted = complete.has(sequence) && keptSuffixes.has(suffix);
    if (!wanted) await removeTree(`${layout.versions}/${name}`);
  }
  for (const link of [layout.live, layout.backup, layout.journal]) {
    rmSync(`${link}.next`, { force: true });
  }
}
