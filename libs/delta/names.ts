import { foldPath } from '#libs/content-store/fold-path.js';
import type { Manifest } from '#libs/content-store/manifest.js';
import { hasReservedName, textProblem } from '#libs/content-store/name-text.js';
import { ClashingNames, ReservedNames, UnusableNames } from './scan-errors.js';

/** What a site does about names that only some file systems can tell apart. */
export const nameClashPolicies = ['allow', 'refuse', 'portable'] as const;
export type NameClashPolicy = (typeof nameClashPolicies)[number];

/** @throws UnusableNames with all paths that servers would refuse, themselves or their targets */
export function requireUsableNames(root: string, manifest: Manifest): void {
  const unusable = manifest.filter(
    (entry) => textProblem(entry.path) ?? (entry.type === 'symlink' && textProblem(entry.target)),
  );
  if (unusable.length > 0) {
    throw new UnusableNames(
      root,
      unusable.map(({ path }) => path),
    );
  }
}

/** @throws ReservedNames with all paths that mean something else on other systems */
export function requirePortableNames(manifest: Manifest): void {
  const reserved = manifest.map(({ path }) => path).filter(hasReservedName);
  if (reserved.length > 0) throw new ReservedNames(reserved);
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
