import { join } from 'node:path';
import { UnsafeDirectory } from './errors.js';
import { pathProblem } from './paths.js';

/** One hosted site on this server's disk. */
export interface SiteLocation {
  /** The agent's directory. */
  readonly root: string;
  readonly site: string;
}

/** Where the parts of a site are. */
export interface SiteLayout {
  readonly site: string;
  readonly directory: string;
  readonly versions: string;
  readonly journal: string;
  readonly live: string;
  readonly backup: string;
}

/** @throws UnsafeDirectory for a site's name that is not one plain path component */
export function siteLayout({ root, site }: SiteLocation): SiteLayout {
  if (pathProblem(site) || site.includes('/')) {
    throw new UnsafeDirectory(JSON.stringify(site), 'cannot name a directory');
  }
  const directory = join(root, 'sites', site);
  return {
    site,
    directory,
    versions: join(directory, 'versions'),
    journal: join(directory, 'journal'),
    live: join(directory, 'live'),
    backup: join(directory, 'backup'),
  };
}

/** The complete tree of a version. */
export const versionPath = (layout: SiteLayout, sequence: number): string =>
  join(layout.versions, String(sequence));

/** The tree of a version while it is built. */
export const buildingPath = (layout: SiteLayout, sequence: number): string =>
  join(layout.versions, `${sequence}.tmp`);

/** The tree of a version that is being removed. */
export const removingPath = (layout: SiteLayout, sequence: number): string =>
  join(layout.versions, `${sequence}.removing`);

/** Where the signed content of a version's writable files is, by digest. */
export const pristinePath = (layout: SiteLayout, sequence: number): string =>
  join(layout.versions, `${sequence}.pristine`);

export const manifestPath = (layout: SiteLayout, sequence: number): string =>
  join(layout.versions, `${sequence}.manifest`);

/** What `live` and `backup` say, relative to the site's directory. */
export const linkTarget = (sequence: number): string => `versions/${sequence}`;

/**
 * The sequence that a link of this interpreter names; undefined for a link that it did not make.
 */
export function linkedSequence(target: string): number | undefined {
  const match = /^versions\/(0|[1-9]\d{0,15})$/.exec(target);
  return match ? Number(match[1]) : undefined;
}
