import type { ConfigurationValue } from '#libs/configuration/configure.js';
import type { FileEntry, Manifest, TreeEntry } from '#libs/content-store/manifest.js';
import type { Steps } from '#libs/content-store/turns.js';
import type { DataSlice, PatchEncoding, PatchOperation } from '#libs/contracts/host.js';
import { IllegalCommand, type IllegalReason } from './errors.js';
import { foldPath, parentOf } from './paths.js';

/** Where the bytes of a planned file come from. */
export type Origin =
  | { readonly kind: 'base'; readonly file: FileEntry }
  | { readonly kind: 'data'; readonly data: DataSlice | undefined }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'patch';
      readonly base: FileEntry;
      readonly encoding: PatchEncoding;
      readonly operations: readonly PatchOperation[];
      readonly data: DataSlice | undefined;
    };

/** A file of the result whose values are set before its digest can be known. */
export interface ConfiguredFile {
  /** The file before its values are set, and where its bytes come from. */
  readonly entry: FileEntry;
  readonly origin: Origin;
  readonly edits: ConfigurationValue[];
  /** Position of the first command that sets a value. */
  readonly index: number;
}

/**
 * A tree in memory: is loaded as the base and changed command by command. Every change that a real,
 * empty-handed file system would refuse, or that would reach through a link, is refused.
 */
export class PlannedTree {
  /** The command being played, for errors. */
  index = 0;
  readonly entries = new Map<string, TreeEntry>();
  readonly origins = new Map<string, Origin>();
  readonly configured = new Map<string, ConfiguredFile>();
  private readonly base = new Map<string, TreeEntry>();
  private readonly childCounts = new Map<string, number>();
  private readonly written = new Set<string>();
  private readonly folded?: Map<string, string>;

  constructor(
    private readonly maxEntries: number,
    refuseCaseCollisions: boolean,
  ) {
    if (refuseCaseCollisions) this.folded = new Map();
  }

  /** Makes it the base's tree; once, before all else. @throws IllegalCommand */
  *load(base: Manifest): Steps<void> {
    for (const entry of base) {
      this.base.set(entry.path, entry);
      this.insert(entry);
      if (entry.type === 'file') this.origins.set(entry.path, { kind: 'base', file: entry });
      yield;
    }
  }

  refuse(path: string, reason: IllegalReason): never {
    throw new IllegalCommand(this.index, path, reason);
  }

  /** The file of the base tree, whatever has become of it since. */
  baseFile(path: string): FileEntry {
    const entry = this.base.get(path);
    if (!entry) this.refuse(path, 'base-not-found');
    if (entry.type !== 'file') this.refuse(path, 'base-not-a-file');
    return entry;
  }

  /** What is at `path` now. */
  existing(path: string): TreeEntry {
    const entry = this.entries.get(path);
    if (entry) return entry;
    this.checkParent(path);
    this.refuse(path, 'not-found');
  }

  /**
   * A new entry, or one in the place of an entry of the base of the same type; directories never.
   */
  write(entry: TreeEntry, origin?: Origin): void {
    const { path, type } = entry;
    if (this.written.has(path)) this.refuse(path, 'duplicate');
    this.checkParent(path);
    const old = this.entries.get(path);
    if (old?.type === 'symlink' && type === 'file') this.refuse(path, 'through-symlink');
    if (old && (type === 'directory' || old.type !== type)) this.refuse(path, 'exists');
    if (old) this.entries.set(path, entry);
    else this.insert(entry);
    if (origin) this.origins.set(path, origin);
    this.written.add(path);
  }

  /** Changes mode or time of what is there. */
  adjust(entry: TreeEntry): void {
    this.entries.set(entry.path, entry);
  }

  /** Sets a value in a file of the tree; nothing else may write the file afterwards. */
  configure(entry: FileEntry, edit: ConfigurationValue): void {
    const { path } = entry;
    const origin = this.origins.get(path);
    if (!origin) throw new Error(`the planned file ${path} has no origin`);
    const file = this.configured.get(path) ?? { entry, origin, edits: [], index: this.index };
    if (file.edits.some(({ key }) => key === edit.key)) this.refuse(path, 'duplicate');
    file.edits.push(edit);
    this.configured.set(path, file);
    this.written.add(path);
  }

  /** The bytes of a configured file are known now. */
  settle(entry: FileEntry, bytes: Uint8Array): void {
    this.entries.set(entry.path, entry);
    this.origins.set(entry.path, { kind: 'bytes', bytes });
  }

  remove(path: string): void {
    if (this.written.has(path)) this.refuse(path, 'duplicate');
    if (this.childCounts.get(path)) this.refuse(path, 'not-empty');
    this.entries.delete(path);
    this.origins.delete(path);
    this.folded?.delete(foldPath(path));
    this.countChild(path, -1);
  }

  private insert(entry: TreeEntry): void {
    if (this.entries.size >= this.maxEntries) this.refuse(entry.path, 'too-many-entries');
    if (this.folded) {
      const key = foldPath(entry.path);
      if (this.folded.has(key)) this.refuse(entry.path, 'case-collision');
      this.folded.set(key, entry.path);
    }
    this.entries.set(entry.path, entry);
    this.countChild(entry.path, 1);
  }

  private countChild(path: string, difference: number): void {
    const parent = parentOf(path);
    this.childCounts.set(parent, (this.childCounts.get(parent) ?? 0) + difference);
  }

  /** Names the first ancestor that is no directory, as the operating system would. */
  private checkParent(path: string): void {
    const parent = parentOf(path);
    if (parent === '') return;
    const entry = this.entries.get(parent);
    if (entry?.type === 'directory') return;
    if (!entry) {
      this.checkParent(parent);
      this.refuse(path, 'missing-parent');
    }
    this.refuse(path, entry.type === 'symlink' ? 'through-symlink' : 'through-file');
  }
}
