import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  rmSync,
  type Stats,
} from 'node:fs';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { linkAt, type StatusAt, statusAt } from '#libs/native/linkat.js';
import { KeptMemory } from '#libs/native/work-memory.js';
import { DamagedBase } from '../errors.js';
import { ConfinedTree } from './confined-tree.js';
import { setStatus } from './new-file.js';

const chunkBytes = 1_048_576;
/** As much as a base that is needed in one piece has, as a rule. */
const keptBytes = 32 * 1_048_576;
const { COPYFILE_EXCL, COPYFILE_FICLONE_FORCE, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const cannotLink = new Set(['EXDEV', 'EMLINK', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** The version that a new one is made from; its files are only read. */
export class BaseTree {
  private readonly tree: ConfinedTree;
  private readonly pristine?: ConfinedTree;
  private readonly memory = new KeptMemory(keptBytes);
  private way: 'reflink' | 'link' | undefined;

  /** @param pristine where the signed content of files is that applications may write */
  constructor(directory: string, pristine: string) {
    this.tree = new ConfinedTree(directory);
    if (existsSync(pristine)) this.pristine = new ConfinedTree(pristine);
  }

  /**
   * Gives `path` of `target` the base file's content, mode and time without copying: by a reflink
   * where the file system can, else by a hard link. False: it must be copied.
   * @param mode that the new file must have
   * @throws DamagedBase when the base file is not what its manifest says
   */
  share(file: FileEntry, target: ConfinedTree, path: string, mode: number): boolean {
    if (this.way !== 'link') {
      const source = this.tree.entry(file.path);
      const copy = target.entry(path);
      if (this.reflink(file, source, copy, mode)) return true;
      // One attempt tells for the whole version.
      rmSync(copy, { force: true });
      this.way = 'link';
    }
    const place = target.place(path);
    try {
      linkAt(this.tree.place(file.path), place);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') throw new DamagedBase(file.path, 'it is gone', { cause: error });
      if (cannotLink.has(code ?? '')) return false;
      throw error;
    }
    // What was linked is looked at, not what had the name before.
    const status = statusAt(place);
    check(file, status);
    if (status.mode === mode) return true;
    rmSync(target.entry(path));
    return false;
  }

  /**
   * All bytes of a file, or a stretch of it, valid until another is read so: new memory costs more
   * than reading. @throws DamagedBase
   */
  read(file: FileEntry, offset = 0, length = file.sizeBytes): Uint8Array {
    const bytes = this.memory.take(length);
    this.readInto(file, offset, bytes);
    return bytes;
  }

  /** Fills `target` with what is at `offset`. @throws DamagedBase */
  readInto(file: FileEntry, offset: number, target: Uint8Array): void {
    const fd = this.open(file);
    try {
      for (let done = 0; done < target.length; ) {
        done += readSome(fd, file, target.subarray(done), offset + done);
      }
    } finally {
      closeSync(fd);
    }
  }

  /** Bytes of a file in pieces. A piece is valid until the next is taken. @throws DamagedBase */
  *range(file: FileEntry, offset: number, length: number): Generator<Uint8Array> {
    const fd = this.open(file);
    try {
      const buffer = Buffer.allocUnsafe(Math.min(length, chunkBytes));
      for (let done = 0; done < length; ) {
        const piece = buffer.subarray(0, Math.min(buffer.length, length - done));
        const count = readSome(fd, file, piece, offset + done);
        yield buffer.subarray(0, count);
        done += count;
      }
    } finally {
      closeSync(fd);
    }
  }

  close(): void {
    this.tree.close();
    this.pristine?.close();
  }

  /** The file that is there, which has the size it should have. @throws DamagedBase */
  private open(file: FileEntry): number {
    const fd = this.openAny(file);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile() || stats.size !== file.sizeBytes) check(file, statusOf(stats));
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  private openAny(file: FileEntry): number {
    try {
      const copy = this.pristine?.entry(file.digest);
      const path = copy && existsSync(copy) ? copy : this.tree.entry(file.path);
      return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ELOOP') throw error;
      throw new DamagedBase(file.path, 'it is no file', { cause: error });
    }
  }

  private reflink(file: FileEntry, source: string, path: string, mode: number): boolean {
    if (!lstatSync(source).isFile()) throw new DamagedBase(file.path, 'it is no file');
    if (!tryTo(() => copyFileSync(source, path, COPYFILE_EXCL | COPYFILE_FICLONE_FORCE))) {
      return false;
    }
    this.way = 'reflink';
    check(file, statusOf(lstatSync(source)));
    setStatus(path, mode, file.mtimeMs);
    return true;
  }
}

/** @returns how many bytes were read, at least one @throws DamagedBase at the end of the file */
function readSome(fd: number, file: FileEntry, into: Uint8Array, at: number): number {
  const count = readSync(fd, into, 0, into.length, at);
  if (count === 0) throw new DamagedBase(file.path, 'it ends too early');
  return count;
}

function check(file: FileEntry, status: StatusAt): void {
  const { sizeBytes, mtimeMs } = file;
  if (!status.isFile) throw new DamagedBase(file.path, 'it is no file');
  if (status.sizeBytes !== sizeBytes) {
    throw new DamagedBase(file.path, `it has ${status.sizeBytes} bytes`);
  }
  const { mode } = status;
  if (mode !== file.mode && mode !== readOnlyMode(file.mode)) {
    throw new DamagedBase(file.path, 'it has another mode');
  }
  if (Math.abs(status.mtimeMs - mtimeMs) >= 1) throw new DamagedBase(file.path, 'it was changed');
}

const statusOf = (stats: Stats): StatusAt => ({
  isFile: stats.isFile(),
  mode: stats.mode & 0o7777,
  sizeBytes: stats.size,
  mtimeMs: stats.mtimeMs,
});

/** What a version keeps of a mode where nobody may write into versions. */
export const readOnlyMode = (mode: number): number => mode & 0o555;

function tryTo(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
