import { createHash } from 'node:crypto';
import { constants, lstatSync, type Stats } from 'node:fs';
import { type FileHandle, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '#libs/clock/clock.js';
import type { FileEntry, TreeEntry } from '#libs/content-store/manifest.js';
import { readOnlyMode } from './adapters/base-tree.js';
import { readManifestFile } from './adapters/manifest-file.js';
import { readSite } from './adapters/site-state.js';
import { manifestPath, type SiteLocation, siteLayout, versionPath } from './site-layout.js';
import { defaultSitePolicy, pathMatcher, type SitePolicy } from './site-policy.js';

export interface DriftInput extends SiteLocation {
  readonly sitePolicy?: Partial<SitePolicy>;
  /** `content` reads every byte; `attributes` looks at types, sizes, modes and times only. */
  readonly depth: 'content' | 'attributes';
  /** Bytes read per second at most; the rest of the host shall not notice. */
  readonly bytesPerSecond?: number;
  readonly signal?: AbortSignal;
}

/** How the live tree differs from the manifest that was signed. */
export interface Drift {
  readonly sequence: number;
  /** Paths, at most `listedPaths` of each kind. */
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly changed: readonly string[];
  /** How many there are in all. */
  readonly differences: number;
  readonly filesRead: number;
  readonly bytesRead: number;
}

/** Enough to see what happened; a repair goes by the manifest. */
export const listedPaths = 100;
const pieceBytes = 262_144;
/** A day's scrub of a large site, and still little beside what a disk can do. */
const defaultBytesPerSecond = 8 * 1024 ** 2;

/** Bytes of the files of what is live, as signed; 0: nothing is. */
export function liveBytes(location: SiteLocation): number {
  const layout = siteLayout(location);
  const { live } = readSite(layout);
  const manifest = live === undefined ? undefined : readManifestFile(manifestPath(layout, live));
  const sizes = manifest?.map((entry) => (entry.type === 'file' ? entry.sizeBytes : 0)) ?? [];
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Compares the live tree with its manifest. Undefined when nothing is live, or something else went
 * live meanwhile. Files that the application may write are looked at by their type only.
 */
export async function findDrift(input: DriftInput, clock: Clock): Promise<Drift | undefined> {
  const layout = siteLayout(input);
  const { live } = readSite(layout);
  if (live === undefined) return undefined;
  const manifest = readManifestFile(manifestPath(layout, live));
  if (!manifest) return undefined;
  const policy = { ...defaultSitePolicy, ...input.sitePolicy };
  const directory = policy.liveDirectory ?? versionPath(layout, live);
  const comparison = new Comparison(directory, input, policy, clock);
  await comparison.walk('', new Map(manifest.map((entry) => [entry.path, entry])));
  if (readSite(layout).live !== live) return undefined;
  return comparison.result(live);
}

class Comparison {
  private readonly missing: string[] = [];
  private readonly unexpected: string[] = [];
  private readonly changed: string[] = [];
  private readonly isWritable: (path: string) => boolean;
  private differences = 0;
  private filesRead = 0;
  private bytesRead = 0;

  constructor(
    private readonly directory: string,
    private readonly input: DriftInput,
    policy: SitePolicy,
    private readonly clock: Clock,
  ) {
    this.isWritable = pathMatcher(policy.writable);
  }

  result(sequence: number): Drift {
    const { missing, unexpected, changed, differences, filesRead, bytesRead } = this;
    return { sequence, missing, unexpected, changed, differences, filesRead, bytesRead };
  }

  /** @param expected what has not been seen yet; emptied on the way */
  async walk(prefix: string, expected: Map<string, TreeEntry>): Promise<void> {
    await this.directoryAt(prefix, expected);
    for (const path of expected.keys()) this.note(this.missing, path);
  }

  private async directoryAt(prefix: string, expected: Map<string, TreeEntry>): Promise<void> {
    for (const name of await namesIn(join(this.directory, prefix))) {
      this.input.signal?.throwIfAborted();
      const path = prefix === '' ? name : `${prefix}/${name}`;
      const entry = expected.get(path);
      expected.delete(path);
      if (!entry) {
        if (!this.isWritable(path)) this.note(this.unexpected, path);
        continue;
      }
      if (!(await this.isAsSigned(entry))) this.note(this.changed, path);
      const now = lstatSync(join(this.directory, path), { throwIfNoEntry: false });
      const below = entry.type === 'directory' && now?.isDirectory();
      if (below) await this.directoryAt(path, expected);
    }
  }

  private async isAsSigned(entry: TreeEntry): Promise<boolean> {
    const path = join(this.directory, entry.path);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (!stats) return false;
    const mode = stats.mode & 0o7777;
    switch (entry.type) {
      case 'symlink':
        return stats.isSymbolicLink() && (await readlink(path)) === entry.target;
      case 'directory':
        return stats.isDirectory() && mode === entry.mode;
      case 'file':
        if (this.isWritable(entry.path)) return stats.isFile();
        return hasAttributes(entry, stats) && (await this.hasContent(path, entry));
    }
  }

  private async hasContent(path: string, entry: FileEntry): Promise<boolean> {
    if (this.input.depth === 'attributes') return true;
    const file = await openedOrGone(path);
    if (!file) return false;
    try {
      const hash = createHash('sha256');
      const buffer = Buffer.allocUnsafe(pieceBytes);
      for (;;) {
        const { bytesRead } = await file.read(buffer);
        if (bytesRead === 0) break;
        hash.update(buffer.subarray(0, bytesRead));
        await this.pause(bytesRead);
      }
      this.filesRead += 1;
      return hash.digest('hex') === entry.digest;
    } finally {
      await file.close();
    }
  }

  /** Small files add up to one pause. */
  private async pause(bytes: number): Promise<void> {
    const before = Math.floor(this.bytesRead / pieceBytes);
    this.bytesRead += bytes;
    if (Math.floor(this.bytesRead / pieceBytes) === before) return;
    const perSecond = this.input.bytesPerSecond ?? defaultBytesPerSecond;
    await sleep(this.clock, (pieceBytes / perSecond) * 1000);
  }

  private note(list: string[], path: string): void {
    this.differences += 1;
    if (list.length < listedPaths) list.push(path);
  }
}

/** What goes away while it is looked at is missing. */
async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(orGone([]));
}

function openedOrGone(path: string): Promise<FileHandle | undefined> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(orGone(undefined));
}

const orGone =
  <T>(instead: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ELOOP') {
      return instead;
    }
    throw error;
  };

function hasAttributes(entry: FileEntry, stats: Stats): boolean {
  const mode = stats.mode & 0o7777;
  return (
    stats.isFile() &&
    stats.size === entry.sizeBytes &&
    Math.round(stats.mtimeMs) === entry.mtimeMs &&
    (mode === entry.mode || mode === readOnlyMode(entry.mode))
  );
}
