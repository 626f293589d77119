import { foldPath } from '#libs/content-store/fold-path.js';
import type { Manifest } from '#libs/content-store/manifest.js';
import { ClashingNames, UnusableNames } from './scan-errors.js';

/** What a site does about names that only some file systems can tell apart. */
export const nameClashPolicies = ['allow', 'refuse'] as const;
export type NameClashPolicy = (typeof nameClashPolicies)[number];

/**
 * Whether servers would refuse a name or link target: a lone surrogate becomes U+FFFD on disk, so
 * two such names would be one file.
 */
export function isUnusable(text: string): boolean {
  return /\p{Surrogate}/u.test(text) || text.includes('\ufffd');
}

/** @throws UnusableNames with all paths that servers would refuse, themselves or their targets */
export function requireUsableNames(root: string, manifest: Manifest): void {
  const unusable = manifest.filter(
    (entry) => isUnusable(entry.path) || (entry.type === 'symlink' && isUnusable(entry.target)),
  );
  if (unusable.length > 0) {
    throw new UnusableNames(
      root,
      unusable.map(({ path }) => path),
    );
  }
}

/** @throws ClashingNames with all paths that differ by case or by Unicode's normal forms only */
export function requireDistinctNames(manifest: Manifest): void {
  const byName = new Map<string, string[]>();
  for (const { path } of manifest) {
    const folded = foldPath(path);
    const paths = byName.get(folded);
    if (paths) paths.push(path);
    else byName.set(folded, [path]);
  }
  const clashes = [...byName.values()].filter((paths) => paths.length > 1);
  if (clashes.length > 0) throw new ClashingNames(clashes);
}
