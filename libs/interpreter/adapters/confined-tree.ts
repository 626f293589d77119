import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { NameAt } from '#libs/native/linkat.js';
import { hasOpenat2, openBeneath } from '#libs/native/openat2.js';
import { UnsafeDirectory } from '../errors.js';
import { parentOf } from '../paths.js';

/** How directories are reached: whole paths by the kernel, name by name, or by checked paths. */
export type Confinement = 'openat2' | 'handles' | 'paths';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const handleDirectory = '/proc/self/fd';
/** Directories that are kept open; entries come in the order of the tree. */
const maxHandles = 64;
const replacedCodes = new Set(['ELOOP', 'EXDEV', 'ENOTDIR']);

/** The strongest way of this host. */
export function confinement(): Confinement {
  if (!existsSync(handleDirectory)) return 'paths';
  return hasOpenat2() ? 'openat2' : 'handles';
}

/**
 * A directory tree whose entries are reached from open handles of their own directories, so that
 * nobody can make a path lead elsewhere by replacing a directory with a link meanwhile.
 */
export class ConfinedTree {
  private readonly root: number;
  private readonly device: number;
  private readonly handles = new Map<string, number>();

  /** @throws UnsafeDirectory when `directory` is a link; as `fs.openSync` */
  constructor(
    private readonly directory: string,
    private readonly way: Confinement = confinement(),
  ) {
    this.root = openDirectory(directory);
    this.device = fstatSync(this.root).dev;
  }

  /**
   * A path for the next call of `fs` on this entry, whose directory must exist. The call must not
   * follow a link in the last place.
   * @throws UnsafeDirectory when a directory on the way is a link or on another file system
   */
  entry(path: string): string {
    return this.place(path).path;
  }

  /** The same for calls that take an open directory. @throws as `entry` */
  place(path: string): NameAt {
    const parent = parentOf(path);
    const directory = this.handle(parent);
    const name = parent === '' ? path : path.slice(parent.length + 1);
    const isPlain = this.way === 'paths';
    const place = isPlain ? join(this.directory, path) : `${handleDirectory}/${directory}/${name}`;
    return { directory, name, path: place };
  }

  /** The open handle of a directory of the tree; valid until the next call. */
  handle(path: string): number {
    if (path === '') return this.root;
    const known = this.handles.get(path);
    if (known !== undefined) {
      this.handles.delete(path);
      this.handles.set(path, known);
      return known;
    }
    const opened = this.open(path);
    this.handles.set(path, opened);
    if (this.handles.size > maxHandles) this.closeOldest();
    return opened;
  }

  close(): void {
    for (const handle of this.handles.values()) closeSync(handle);
    this.handles.clear();
    closeSync(this.root);
  }

  private open(path: string): number {
    try {
      if (this.way === 'openat2') return openBeneath(this.root, path, O_RDONLY | O_DIRECTORY);
      const opened = openDirectory(this.entry(path));
      if (fstatSync(opened).dev === this.device) return opened;
      closeSync(opened);
    } catch (error) {
      if (!replacedCodes.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
    throw new UnsafeDirectory(join(this.directory, path), 'is not a directory of its own any more');
  }

  private closeOldest(): void {
    const [oldest] = this.handles;
    if (!oldest) return;
    this.handles.delete(oldest[0]);
    closeSync(oldest[1]);
  }
}

function openDirectory(path: string): number {
  try {
    return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    if (!lstatSync(path).isSymbolicLink()) throw error;
    throw new UnsafeDirectory(path, 'is a link');
  }
}
