import {
  constants,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import type { DirectoryEntry, SymlinkEntry } from '#libs/content-store/manifest.js';
import {
  type FileStatus,
  fileStatus,
  isDirectory,
  isFile,
  isSymbolicLink,
} from '#libs/native/file-status.js';
import { compileRules, type FilterRule, type Verdict } from '../filter.js';
import { ignoreFileName, parseIgnoreFile } from '../ignore-file.js';
import type { FileIdentity, ScanOptions } from '../scan.js';
import {
  NameNotUtf8,
  PathTooLong,
  StagingNotADirectory,
  StagingNotFound,
  UnreadableFile,
  UnsupportedFileType,
} from '../scan-errors.js';

/** A file before its content is known. */
export interface FoundFile {
  readonly type: 'file';
  readonly path: string;
  readonly mode: number;
  readonly identity: FileIdentity;
}

export type FoundEntry = FoundFile | DirectoryEntry | SymlinkEntry;

const maxPathBytes = 4096;
const maxNameBytes = 255;

/** @throws StagingNotFound, StagingNotADirectory, UnreadableFile */
export function resolveRoot(path: string): string {
  try {
    const root = realpathSync(path);
    if (!statSync(root).isDirectory()) throw new StagingNotADirectory(path);
    return root;
  } catch (error) {
    if (isMissing(error)) throw new StagingNotFound(path);
    if (error instanceof StagingNotADirectory) throw error;
    throw new UnreadableFile(path, error);
  }
}

/** A directory to be read, and what the ignore files in and above it say, the nearest first. */
interface Place {
  readonly path: string;
  readonly ignores: readonly Verdict[];
}

/**
 * Gives `take` all that is below `root` and not left out, in no order, without following links. The
 * first that knows a path decides: `rules`, then the ignore file of its directory, then that of the
 * directory above. Ignore files themselves are found only where a rule includes them. The calls are
 * synchronous, several times as fast as asynchronous ones; `pause` lets others run.
 */
export async function walk(
  root: string,
  { rules, place: site }: Pick<ScanOptions, 'rules' | 'place'>,
  pause: () => Promise<void> | undefined,
  take: (entry: FoundEntry) => void,
): Promise<void> {
  const siteRules = rulesAt(site, rules);
  const places: Place[] = [{ path: '', ignores: [] }];
  for (let place = places.pop(); place; place = places.pop()) {
    const names = namesIn(root, place.path);
    const hasIgnoreFile = names.includes(ignoreFileName);
    const ignores = hasIgnoreFile
      ? [ignoreFileIn(root, place.path), ...place.ignores]
      : place.ignores;
    const verdicts = [siteRules, ...ignores];
    for (const name of names) {
      const turn = pause();
      if (turn) await turn;
      const path = place.path === '' ? name : `${place.path}/${name}`;
      const entry = findEntry(root, path, verdicts);
      if (!entry) continue;
      take(entry);
      if (entry.type === 'directory') places.push({ path, ignores });
    }
  }
}

/** The site's rules for paths below a place of the site. */
function rulesAt(place: string | undefined, rules: readonly FilterRule[]): Verdict {
  const verdict = compileRules(rules);
  return place ? (path, isDirectory) => verdict(`${place}/${path}`, isDirectory) : verdict;
}

/** What the ignore file of a directory says; its patterns are tied to that directory. */
function ignoreFileIn(root: string, directory: string): Verdict {
  const prefix = directory === '' ? '' : `${directory}/`;
  const path = `${root}/${prefix}${ignoreFileName}`;
  try {
    const verdict = compileRules([
      ...parseIgnoreFile(readFileSync(path, 'utf8')),
      { include: false, pattern: `/${ignoreFileName}` },
    ]);
    return (found, isDirectory) => verdict(found.slice(prefix.length), isDirectory);
  } catch (error) {
    throw failure(path, error);
  }
}

/** The file at `path` as it is now; `undefined` when it is no file any more. */
export function findFile(root: string, path: string): FoundFile | undefined {
  const stat = statOf(root, path);
  return stat && isFile(stat) ? fileOf(path, stat) : undefined;
}

/** Whether a call failed because there is no such file (any more). */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function findEntry(
  root: string,
  path: string,
  verdicts: readonly Verdict[],
): FoundEntry | undefined {
  const stat = statOf(root, path);
  if (!stat || !isTaken(path, isDirectory(stat), verdicts)) return undefined;
  requirePathLength(root, path);
  if (isFile(stat)) return fileOf(path, stat);
  if (isDirectory(stat)) return { type: 'directory', path, mode: stat.mode & 0o777 };
  if (isSymbolicLink(stat)) return linkAt(root, path);
  throw new UnsupportedFileType(`${root}/${path}`, kindOf(stat));
}

function isTaken(path: string, isDirectory: boolean, verdicts: readonly Verdict[]): boolean {
  for (const verdict of verdicts) {
    const isIncluded = verdict(path, isDirectory);
    if (isIncluded !== undefined) return isIncluded;
  }
  return true;
}

/** What vanished since its directory was read is not in the tree: no metadata. */
function statOf(root: string, path: string): FileStatus | undefined {
  try {
    return fileStatus(`${root}/${path}`);
  } catch (error) {
    throw failure(`${root}/${path}`, error);
  }
}

function fileOf(path: string, status: FileStatus): FoundFile {
  const { device, inode, sizeBytes, mtimeMs, ctimeMs } = status;
  const identity = { device, inode, sizeBytes, mtimeMs, ctimeMs };
  return { type: 'file', path, mode: status.mode & 0o777, identity };
}

function linkAt(root: string, path: string): SymlinkEntry | undefined {
  const full = `${root}/${path}`;
  try {
    const target = readlinkSync(full);
    if (mayBeMangled(target)) requireUtf8(full, readlinkSync(full, 'buffer'));
    return { type: 'symlink', path, target };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw failure(full, error);
  }
}

function namesIn(root: string, path: string): string[] {
  const directory = path === '' ? root : `${root}/${path}`;
  try {
    const names = readdirSync(directory);
    if (names.some(mayBeMangled)) {
      for (const name of readdirSync(directory, 'buffer')) requireUtf8(directory, name);
    }
    return names;
  } catch (error) {
    if (isMissing(error) && path !== '') return [];
    throw failure(directory, error);
  }
}

/** Bytes that are not UTF-8 were decoded to U+FFFD; so was a genuine U+FFFD. */
function mayBeMangled(name: string): boolean {
  return name.includes('\ufffd');
}

function requireUtf8(place: string, name: Buffer): void {
  if (!Buffer.from(name.toString('utf8'), 'utf8').equals(name)) throw new NameNotUtf8(place, name);
}

function requirePathLength(root: string, path: string): void {
  if (path.length * 3 <= maxNameBytes) return;
  const longestName = Math.max(...path.split('/').map((name) => Buffer.byteLength(name)));
  if (Buffer.byteLength(path) > maxPathBytes || longestName > maxNameBytes) {
    throw new PathTooLong(`${root}/${path}`);
  }
}

function failure(path: string, error: unknown): Error {
  if (error instanceof NameNotUtf8) return error;
  if ((error as NodeJS.ErrnoException).code === 'ENAMETOOLONG') return new PathTooLong(path);
  return new UnreadableFile(path, error);
}

function kindOf({ mode }: FileStatus): string {
  const kinds: Record<number, string> = {
    [constants.S_IFSOCK]: 'socket',
    [constants.S_IFIFO]: 'pipe',
  };
  return kinds[mode & constants.S_IFMT] ?? 'device';
}
