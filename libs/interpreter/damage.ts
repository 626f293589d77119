import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#libs/clock/clock.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { appendRecord } from './adapters/journal-file.js';
import { readManifestFile } from './adapters/manifest-file.js';
import { completeVersions, readSite } from './adapters/site-state.js';
import { type Drift, listedPaths } from './drift.js';
import {
  manifestPath,
  type SiteLayout,
  type SiteLocation,
  siteLayout,
  versionPath,
} from './site-layout.js';

/**
 * Journals that the live version is not what was signed, and so is every other version that has a
 * damaged file's inode: from now on this server has none of these trees, so nothing is made from
 * them and what is wanted comes anew. Returns the sequences.
 * @throws as `fs.writeFileSync`
 */
export function condemn(location: SiteLocation, drift: Drift, clock: Clock): readonly number[] {
  const layout = siteLayout(location);
  const site = readSite(layout);
  if (site.live !== drift.sequence || site.damaged.has(drift.sequence)) return [];
  const others = completeVersions(layout, site).filter((sequence) => sequence !== drift.sequence);
  const known = drift.changed.length < listedPaths;
  const inodes = damagedInodes(layout, drift);
  const shared = others.filter((sequence) => !known || hasAny(layout, sequence, inodes));
  const condemned = [drift.sequence, ...shared];
  for (const sequence of condemned) {
    const treeDigest = site.prepared.get(sequence) ?? '';
    const record = { sequence, treeDigest, timeMs: clock.nowMs(), reason: 'drift' };
    appendRecord(layout.journal, { state: 'DAMAGED', ...record });
  }
  return condemned;
}

/** Inode numbers of the changed files, by the digest that their content should have. */
function damagedInodes(layout: SiteLayout, drift: Drift): ReadonlyMap<string, Set<bigint>> {
  const changed = new Set(drift.changed);
  const inodes = new Map<string, Set<bigint>>();
  for (const file of filesOf(layout, drift.sequence)) {
    if (!changed.has(file.path)) continue;
    const inode = inodeOf(layout, drift.sequence, file);
    if (inode === undefined) continue;
    inodes.set(file.digest, (inodes.get(file.digest) ?? new Set()).add(inode));
  }
  return inodes;
}

function hasAny(
  layout: SiteLayout,
  sequence: number,
  inodes: ReadonlyMap<string, ReadonlySet<bigint>>,
): boolean {
  return filesOf(layout, sequence).some((file) => {
    const damaged = inodes.get(file.digest);
    const inode = damaged && inodeOf(layout, sequence, file);
    return inode !== undefined && damaged?.has(inode);
  });
}

function filesOf(layout: SiteLayout, sequence: number): readonly FileEntry[] {
  const manifest = readManifestFile(manifestPath(layout, sequence)) ?? [];
  return manifest.filter((entry) => entry.type === 'file');
}

function inodeOf(layout: SiteLayout, sequence: number, { path }: FileEntry): bigint | undefined {
  const absolute = join(versionPath(layout, sequence), path);
  return lstatSync(absolute, { bigint: true, throwIfNoEntry: false })?.ino;
}
