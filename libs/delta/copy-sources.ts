import type { FileEntry, Manifest } from '#libs/content-store/manifest.js';

/** Where content of the base can be copied from. Empty files are never worth a copy. */
export interface CopySources {
  /** Pairs files with files that are gone: same content, each used once, same name preferred. */
  renamesOf(files: readonly FileEntry[]): Map<FileEntry, FileEntry>;
  /** A file of the base with the content of `file`, one of the same name if there is one. */
  copyOf(file: FileEntry): FileEntry | undefined;
}

/**
 * @param gone the files of the base whose paths the wanted tree does not have
 * @param wanted the files that may be asked for
 */
export function copySources(
  base: Manifest,
  gone: readonly FileEntry[],
  wanted: readonly FileEntry[],
): CopySources {
  const digests = new Set(wanted.map((file) => file.digest));
  const any = new Map<string, FileEntry>();
  for (const entry of base) {
    if (entry.type !== 'file' || !digests.has(entry.digest)) continue;
    for (const key of [entry.digest, nameKey(entry)]) if (!any.has(key)) any.set(key, entry);
  }
  return {
    renamesOf: (files) => pair(files, gone),
    copyOf: (file) =>
      file.sizeBytes === 0 ? undefined : (any.get(nameKey(file)) ?? any.get(file.digest)),
  };
}

function pair(files: readonly FileEntry[], gone: readonly FileEntry[]) {
  const pairs = new Map<FileEntry, FileEntry>();
  const used = new Set<FileEntry>();
  for (const key of [nameKey, (file: FileEntry) => file.digest]) {
    const unused = groupBy(gone.filter((file) => !used.has(file)).reverse(), key);
    for (const file of files) {
      if (file.sizeBytes === 0 || pairs.has(file)) continue;
      const from = unused.get(key(file))?.pop();
      if (!from) continue;
      pairs.set(file, from);
      used.add(from);
    }
  }
  return pairs;
}

function groupBy(files: readonly FileEntry[], key: (file: FileEntry) => string) {
  const groups = new Map<string, FileEntry[]>();
  for (const file of files) {
    const group = groups.get(key(file));
    if (group) group.push(file);
    else groups.set(key(file), [file]);
  }
  return groups;
}

function nameKey(file: FileEntry): string {
  return `${file.digest} ${file.path.slice(file.path.lastIndexOf('/') + 1)}`;
}
