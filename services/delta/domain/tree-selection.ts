import type { Manifest } from '#libs/content-store/manifest.js';
import { DomainError } from '#libs/contracts/index.js';

export class PathNotLive extends DomainError {
  override readonly name = 'PathNotLive';
  constructor(path: string) {
    super(
      `the live version has no ${JSON.stringify(path)}`,
      'give paths of files or directories relative to the root of the site',
    );
  }
}

/** The tree without these files and directories; the empty one for none. @throws PathNotLive */
export function treeWithout(tree: Manifest, paths: readonly string[]): Manifest {
  if (paths.length === 0) return [];
  const wanted = checked(tree, paths);
  return tree.filter(({ path }) => !wanted.some((each) => isWithin(path, each)));
}

/** These files and directories with the directories that lead to them. @throws PathNotLive */
export function treeOfOnly(tree: Manifest, paths: readonly string[]): Manifest {
  const wanted = checked(tree, paths);
  return tree.filter(({ path, type }) =>
    wanted.some(
      (each) => isWithin(path, each) || (type === 'directory' && each.startsWith(`${path}/`)),
    ),
  );
}

function checked(tree: Manifest, paths: readonly string[]): string[] {
  const known = new Set(tree.map(({ path }) => path));
  return paths.map((given) => {
    const path = given.replace(/^(\.?\/)+/, '').replace(/\/+$/, '');
    if (!known.has(path)) throw new PathNotLive(given);
    return path;
  });
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
