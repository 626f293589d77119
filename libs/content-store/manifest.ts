import { createHash } from 'node:crypto';
import { atOnce, type Steps } from './turns.js';

/** One entry of a tree. `path` is relative, `/`-separated, never empty, without `.` and `..`. */
export type TreeEntry = FileEntry | DirectoryEntry | SymlinkEntry;

export interface FileEntry {
  readonly type: 'file';
  readonly path: string;
  /** Permission bits only, 0 to 0o777. */
  readonly mode: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** SHA-256 of the content, lower-case hex. */
  readonly digest: string;
}

export interface DirectoryEntry {
  readonly type: 'directory';
  readonly path: string;
  readonly mode: number;
}

export interface SymlinkEntry {
  readonly type: 'symlink';
  readonly path: string;
  readonly target: string;
}

/** A complete tree, sorted by the UTF-8 bytes of the path; a directory precedes what is in it. */
export type Manifest = readonly TreeEntry[];

export const emptyManifest: Manifest = [];

/** The order of manifests: that of the UTF-8 bytes, found without encoding them. */
export function comparePaths(a: string, b: string): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA !== unitB) return byteOrder(unitA) - byteOrder(unitB);
  }
  return a.length - b.length;
}

interface Named {
  readonly path: string;
}

/** Sorts entries in the order of manifests, in place. */
export function sortByPath<E extends Named>(entries: E[]): E[] {
  const compare = comparison(entries);
  return entries.sort((a, b) => compare(a.path, b.path));
}

/** The places of the entries, in the order of manifests. */
export function pathOrder(entries: readonly Named[]): number[] {
  const compare = comparison(entries);
  const path = (index: number) => (entries[index] as Named).path;
  return Array.from(entries.keys()).sort((a, b) => compare(path(a), path(b)));
}

/** UTF-16 order is UTF-8 order as long as there are no surrogates, and far cheaper. */
function comparison(entries: readonly Named[]): typeof comparePaths {
  const hasSurrogates = entries.some(({ path }) => /[\ud800-\udfff]/.test(path));
  return hasSurrogates ? comparePaths : (a, b) => (a < b ? -1 : 1);
}

/** Surrogates stand for code points above all others, but not above U+E000 to U+FFFF as units. */
function byteOrder(codeUnit: number): number {
  return codeUnit >= 0xd800 && codeUnit <= 0xdfff ? codeUnit + 0x10000 : codeUnit;
}

/**
 * The identity of a tree: SHA-256 (hex) over one line per entry. Covers path, type, mode, size,
 * modification time and content of files; path and mode of directories; path and target of links.
 */
export function treeDigest(manifest: Manifest): string {
  return atOnce(treeDigestInSteps(manifest));
}

export function* treeDigestInSteps(manifest: Manifest): Steps<string> {
  const hash = createHash('sha256');
  for (const entry of manifest) {
    hash.update(entryLine(entry));
    yield;
  }
  return hash.digest('hex');
}

function entryLine(entry: TreeEntry): string {
  const path = JSON.stringify(entry.path);
  switch (entry.type) {
    case 'file':
      return `f ${path} ${entry.mode} ${entry.sizeBytes} ${entry.mtimeMs} ${entry.digest}\n`;
    case 'directory':
      return `d ${path} ${entry.mode}\n`;
    case 'symlink':
      return `l ${path} ${JSON.stringify(entry.target)}\n`;
  }
}
