import type { Manifest, TreeEntry } from '#libs/content-store/manifest.js';
import { compileFilter, type FilterRule } from './filter.js';

/** In the place of a staging directory: content comes from staging servers. */
export const pushedStaging = 'pushed:';

/** The pin that keeps the tree which was pushed last, by hand or by a staging server. */
export const pushedPin = (site: string, server = '') =>
  server === '' ? `pushed/${site}` : `pushed/${site}/${server}`;

/** What a scan of the tree with these rules would have found. */
export function filterManifest(manifest: Manifest, rules: readonly FilterRule[]): Manifest {
  const belongs = compileFilter(rules);
  const kept: TreeEntry[] = [];
  const directories = new Set(['']);
  for (const entry of manifest) {
    const { path, type } = entry;
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (!directories.has(parent) || !belongs(path, type === 'directory')) continue;
    if (type === 'directory') directories.add(path);
    kept.push(entry);
  }
  return kept;
}
