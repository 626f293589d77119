import { constants, copyFileSync, fchmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TreeEntry } from '#libs/content-store/manifest.js';
import { KeptMemory } from '#libs/native/work-memory.js';
import type { BuildCounts } from '../build-counts.js';
import { DamagedBase, WrongContent } from '../errors.js';
import type { ContentContext } from '../file-content.js';
import { type FileStep, originOf, type Step } from '../plan.js';
import { type Pieces, ReadAhead } from '../read-ahead.js';
import { BaseTree, readOnlyMode } from './base-tree.js';
import { ConfinedTree } from './confined-tree.js';
import { NewFile, setStatus } from './new-file.js';

/**
 * Steps between two turns of the event loop. Synchronous calls are twice as fast as pooled ones.
 */
const stepsPerTurn = 16;
/** Of memory that files are decoded to, one after the other. */
const keptBytes = 32 * 1_048_576;

/** Where a version's files are: its tree, and the signed content of files that may be written. */
export interface VersionPaths {
  readonly tree: string;
  readonly pristine: string;
}

/** What a version is built from. */
export interface BuildSources extends Pick<ContentContext, 'data' | 'decodePatch'> {
  readonly base: VersionPaths;
  /** Files that an application may write: they share their inode with no other version. */
  readonly isWritable: (path: string) => boolean;
  /** Nobody may write into the other files. */
  readonly readOnly: boolean;
}

/**
 * Builds a version in the new directory `target.tree`. Every name in it is made here, exclusively,
 * from the handle of its directory, so no link can be followed; nothing is flushed.
 * @throws WrongContent, DamagedBase, UnsafeDirectory
 */
export async function buildVersion(
  target: VersionPaths,
  steps: readonly Step[],
  sources: BuildSources,
): Promise<BuildCounts> {
  const builder = new VersionBuilder(target, sources);
  try {
    return await builder.build(steps);
  } finally {
    builder.close();
  }
}

class VersionBuilder {
  private readonly tree: ConfinedTree;
  private readonly base: BaseTree;
  private pristine?: ConfinedTree;
  private readonly kept = new Set<string>();
  private readonly counts = { filesWritten: 0, filesShared: 0, bytesWritten: 0 };

  constructor(
    private readonly target: VersionPaths,
    private readonly sources: BuildSources,
  ) {
    mkdirSync(target.tree, 0o755);
    this.tree = new ConfinedTree(target.tree);
    this.base = new BaseTree(sources.base.tree, sources.base.pristine);
  }

  async build(steps: readonly Step[]): Promise<BuildCounts> {
    const { take } = new KeptMemory(keptBytes);
    const ahead = new ReadAhead(steps, { ...this.sources, base: this.base, take });
    for (const [index, step] of steps.entries()) {
      if (index % stepsPerTurn === stepsPerTurn - 1) await nextTurn();
      if (step.kind === 'make') this.make(step.entry);
      else if (this.shared(step)) this.counts.filesShared += 1;
      else await this.write(step, ahead.content(index, step));
    }
    this.finishDirectories(steps);
    return this.counts;
  }

  close(): void {
    this.tree.close();
    this.base.close();
    this.pristine?.close();
  }

  private make(entry: Extract<Step, { kind: 'make' }>['entry']): void {
    const path = this.tree.entry(entry.path);
    if (entry.type === 'directory') mkdirSync(path, 0o700);
    else symlinkSync(entry.target, path);
  }

  private shared(step: FileStep): boolean {
    const { path } = step.entry;
    if (step.kind !== 'share' || this.sources.isWritable(path)) return false;
    return this.base.share(step.base, this.tree, path, this.modeOnDisk(step.entry));
  }

  private async write(step: FileStep, content: Pieces | Promise<Pieces>): Promise<void> {
    const { entry } = step;
    const pieces = content instanceof Promise ? await content : content;
    if (this.sources.isWritable(entry.path)) await this.writeTwice(step, pieces);
    else {
      const file = { ...entry, mode: this.modeOnDisk(entry) };
      await writeFile(new NewFile(this.tree.entry(entry.path), file), step, pieces);
    }
    this.counts.filesWritten += 1;
    this.counts.bytesWritten += entry.sizeBytes;
  }

  /** What was signed stays beside the tree: the application's own writes must not be a base. */
  private async writeTwice(step: FileStep, pieces: Pieces): Promise<void> {
    const { entry } = step;
    const copy = this.pristineTree().entry(entry.digest);
    if (!this.kept.has(entry.digest)) {
      await writeFile(new NewFile(copy, { ...entry, mode: 0o400 }), step, pieces);
      this.kept.add(entry.digest);
    }
    const path = this.tree.entry(entry.path);
    copyFileSync(copy, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    setStatus(path, entry.mode, entry.mtimeMs);
  }

  private pristineTree(): ConfinedTree {
    if (!this.pristine) {
      mkdirSync(this.target.pristine, 0o700);
      this.pristine = new ConfinedTree(this.target.pristine);
    }
    return this.pristine;
  }

  private modeOnDisk({ mode }: Extract<TreeEntry, { type: 'file' }>): number {
    return this.sources.readOnly ? readOnlyMode(mode) : mode;
  }

  /** Last, because a directory may deny its owner to write. */
  private finishDirectories(steps: readonly Step[]): void {
    fchmodSync(this.tree.handle(''), 0o755);
    for (const { entry } of steps.toReversed()) {
      if (entry.type === 'directory') fchmodSync(this.tree.handle(entry.path), entry.mode);
    }
  }
}

async function writeFile(file: NewFile, step: FileStep, pieces: Pieces): Promise<void> {
  try {
    if (Array.isArray(pieces)) for (const piece of pieces) file.write(piece);
    else for await (const piece of pieces) file.write(piece);
    file.finish();
  } catch (error) {
    const copied = originOf(step).kind === 'base';
    if (!copied || !(error instanceof WrongContent)) throw error;
    throw new DamagedBase(step.entry.path, 'its copy is not what was signed', { cause: error });
  } finally {
    file.close();
  }
}
