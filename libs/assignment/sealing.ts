import type { FileEntry } from '#libs/content-store/manifest.js';
import type { TreeDifference } from '#libs/delta/tree-difference.js';
import { extensionOf } from './never-compress.js';

/** Which content of a sealed body travels in clear. Extensions, with dot and in lower case. */
export interface SealingPolicy {
  /** Only these are sealed; empty: all but those of `neverEncrypt`. */
  readonly encryptOnly: readonly string[];
  readonly neverEncrypt: readonly string[];
}

/** What new contents are made from. */
export type ContentDifference = Pick<
  TreeDifference,
  'added' | 'changed' | 'typeChanged' | 'deleted' | 'renamed'
>;

export function travelsInClear(
  { encryptOnly, neverEncrypt }: SealingPolicy,
  path: string,
): boolean {
  const type = extensionOf(path);
  return encryptOnly.length > 0 ? !encryptOnly.includes(type) : neverEncrypt.includes(type);
}

/**
 * What is to be sealed, and what travels in clear. The latter has no bases that are sealed where
 * they travel: what tells a file from its base tells the base to who knows the file.
 */
export function bySealing(
  difference: ContentDifference,
  policy: SealingPolicy,
): { readonly sealed: ContentDifference; readonly clear: ContentDifference } {
  const isClear = ({ path }: Pick<FileEntry, 'path'>) => travelsInClear(policy, path);
  const wanted = (isWanted: (file: Pick<FileEntry, 'path'>) => boolean) => ({
    added: difference.added.filter(isWanted),
    changed: difference.changed.filter((change) => isWanted(change.wanted)),
    typeChanged: difference.typeChanged.filter((change) => isWanted(change.wanted)),
  });
  return {
    sealed: { ...difference, ...wanted((file) => !isClear(file)) },
    clear: {
      ...wanted(isClear),
      deleted: difference.deleted.filter(isClear),
      renamed: difference.renamed.filter(({ from }) => isClear(from)),
    },
  };
}
