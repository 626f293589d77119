import type { Message } from '@bufbuild/protobuf';
import {
  configurationFormat,
  configurationProblem,
  maxConfigurationBytes,
} from '#libs/configuration/set-value.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { hasReservedName } from '#libs/content-store/name-text.js';
import {
  type Command,
  Compression,
  type CopyFile,
  type DataSlice,
  type MakeDirectory,
  type MakeSymlink,
  type PatchFile,
  type PutFile,
  type SetConfiguration,
  type SetMode,
  type SetTimes,
} from '#libs/contracts/host.js';
import type { IllegalReason } from './errors.js';
import { operationsOf, patchProblem } from './patch-operations.js';
import { pathProblem, pointsOutside, targetProblem } from './paths.js';
import { PlannedTree } from './planned-tree.js';
import type { DeclaredCaps, PlanPolicy } from './policy.js';

/** Modification times that every usual file system stores exactly, in milliseconds. */
const timeRangeMs = [-2_147_483_648_000n, 15_032_385_535_000n] as const;
const digestBytes = 32;

/** Plays the commands of one assignment, in order, on a tree in memory that was loaded before. */
export class CommandPlayer {
  readonly tree: PlannedTree;
  /** To be run once the version is live, in this order. */
  readonly hooks: string[] = [];
  private played = 0;
  private declaredLeft: bigint;

  constructor(
    private readonly caps: DeclaredCaps,
    private readonly policy: PlanPolicy,
  ) {
    this.tree = new PlannedTree(policy.maxEntries, policy.refuseCaseCollisions);
    this.declaredLeft = caps.diskNeededBytes;
  }

  /** @throws IllegalCommand */
  play({ command, $unknown }: Command): void {
    this.tree.index = this.played;
    this.played += 1;
    const path = pathOf(command.value);
    const count = this.caps.commandCount;
    if (this.played > count || this.played > this.policy.maxCommands) {
      this.refuse(path, 'too-many-commands');
    }
    if (command.case === undefined || $unknown?.length || hasUnknown(command.value)) {
      this.refuse(path, 'unknown-command');
    }
    if (command.case === 'runHook') {
      this.runHook(path);
      return;
    }
    const { maxPathBytes, refuseReservedNames } = this.policy;
    const isReserved = refuseReservedNames && hasReservedName(path);
    const problem = pathProblem(path, maxPathBytes) ?? (isReserved ? 'reserved-name' : undefined);
    if (problem && !this.takesAway(command.case, path)) this.refuse(path, problem);
    this.perform(command);
  }

  /** @throws IllegalCommand when there were fewer commands than declared */
  finish(): void {
    this.tree.index = this.played;
    if (BigInt(this.played) !== this.caps.commandCount) this.refuse('', 'missing-commands');
  }

  /** The whole assignment needs more room than was signed. */
  refuseTotal(): never {
    this.refuse('', 'beyond-declared-size');
  }

  /** Trees that are live already may have names that are not taken any more: they may go. */
  private takesAway(kind: Command['command']['case'], path: string): boolean {
    return (kind === 'deleteFile' || kind === 'removeDirectory') && this.tree.entries.has(path);
  }

  private perform(command: Command['command']): void {
    switch (command.case) {
      case 'makeDirectory':
        this.makeDirectory(command.value);
        break;
      case 'putFile':
        this.putFile(command.value);
        break;
      case 'patchFile':
        this.patchFile(command.value);
        break;
      case 'copyFile':
        this.copyFile(command.value);
        break;
      case 'deleteFile':
        this.deleteFile(command.value.path);
        break;
      case 'removeDirectory':
        this.removeDirectory(command.value.path);
        break;
      case 'makeSymlink':
        this.makeSymlink(command.value);
        break;
      case 'setMode':
        this.setMode(command.value);
        break;
      case 'setTimes':
        this.setTimes(command.value);
        break;
      case 'setConfiguration':
        this.setConfiguration(command.value);
        break;
    }
  }

  /** Only what this host allows, by its name; an assignment never brings a program's text. */
  private runHook(name: string): void {
    if (!this.policy.hooks.includes(name)) this.refuse(name, 'unknown-hook');
    if (this.hooks.includes(name)) this.refuse(name, 'duplicate');
    this.hooks.push(name);
  }

  private setConfiguration({ path, key, value }: SetConfiguration): void {
    const entry = this.tree.existing(path);
    if (entry.type === 'symlink') this.refuse(path, 'through-symlink');
    if (entry.type !== 'file') this.refuse(path, 'not-a-file');
    const format = configurationFormat(path);
    const tooLarge = entry.sizeBytes > maxConfigurationBytes;
    if (!format || tooLarge || configurationProblem(format, key, value)) {
      this.refuse(path, 'bad-configuration');
    }
    this.tree.configure(entry, { key, value });
  }

  private makeDirectory({ path, mode }: MakeDirectory): void {
    this.tree.write({ type: 'directory', path, mode: this.directoryMode(path, mode) });
  }

  private putFile(command: PutFile): void {
    const entry = this.newFile(command);
    this.checkSlice(entry.path, command.data, entry.sizeBytes);
    this.tree.write(entry, { kind: 'data', data: command.data });
  }

  private patchFile(command: PatchFile): void {
    const { path, encoding, data } = command;
    const entry = this.newFile(command);
    const base = this.tree.baseFile(command.basePath || path);
    const operations = operationsOf(command, base.sizeBytes);
    const patch = { ...command, operations };
    const problem = patchProblem(patch, base.sizeBytes, this.policy.maxPatchBytes);
    if (problem) this.refuse(path, problem);
    this.checkBounds(path, data);
    this.tree.write(entry, { kind: 'patch', base, encoding, operations, data });
  }

  private copyFile({ path, basePath, mode, mtimeMs }: CopyFile): void {
    const base = this.tree.baseFile(basePath);
    const entry = {
      ...base,
      path,
      mode: this.mode(path, mode),
      mtimeMs: this.time(path, mtimeMs),
    };
    this.tree.write(entry, { kind: 'base', file: base });
  }

  private deleteFile(path: string): void {
    if (this.tree.existing(path).type === 'directory') this.refuse(path, 'not-a-file');
    this.tree.remove(path);
  }

  private removeDirectory(path: string): void {
    if (this.tree.existing(path).type !== 'directory') this.refuse(path, 'not-a-directory');
    this.tree.remove(path);
  }

  private makeSymlink({ path, target }: MakeSymlink): void {
    const problem = targetProblem(target);
    if (problem) this.refuse(path, problem);
    if (this.policy.linkTargets === 'inside' && pointsOutside(path, target)) {
      this.refuse(path, 'outside-target');
    }
    this.tree.write({ type: 'symlink', path, target });
  }

  private setMode({ path, mode }: SetMode): void {
    const entry = this.tree.existing(path);
    if (entry.type === 'symlink') this.refuse(path, 'through-symlink');
    const isDirectory = entry.type === 'directory';
    const allowed = isDirectory ? this.directoryMode(path, mode) : this.mode(path, mode);
    this.tree.adjust({ ...entry, mode: allowed });
  }

  private setTimes({ path, mtimeMs }: SetTimes): void {
    const entry = this.tree.existing(path);
    if (entry.type === 'symlink') this.refuse(path, 'through-symlink');
    if (entry.type !== 'file') this.refuse(path, 'not-a-file');
    this.tree.adjust({ ...entry, mtimeMs: this.time(path, mtimeMs) });
  }

  private newFile(command: PutFile | PatchFile): FileEntry {
    const { path, digest } = command;
    if (digest.length !== digestBytes) this.refuse(path, 'bad-digest');
    return {
      type: 'file',
      path,
      mode: this.mode(path, command.mode),
      sizeBytes: this.size(path, command.sizeBytes),
      mtimeMs: this.time(path, command.mtimeMs),
      digest: Buffer.from(digest).toString('hex'),
    };
  }

  /** Permission bits only: never setuid, setgid or sticky. */
  private mode(path: string, mode: number): number {
    if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) this.refuse(path, 'bad-mode');
    return mode;
  }

  /** A directory that its owner cannot read or enter could be neither verified nor served. */
  private directoryMode(path: string, mode: number): number {
    if ((mode & 0o500) !== 0o500) this.refuse(path, 'bad-mode');
    return this.mode(path, mode);
  }

  private time(path: string, timeMs: bigint): number {
    if (timeMs < timeRangeMs[0] || timeMs > timeRangeMs[1]) this.refuse(path, 'bad-time');
    return Number(timeMs);
  }

  private size(path: string, sizeBytes: bigint): number {
    if (sizeBytes < 0n || sizeBytes > Number.MAX_SAFE_INTEGER) this.refuse(path, 'bad-size');
    this.declaredLeft -= sizeBytes;
    if (this.declaredLeft < 0n) this.refuse(path, 'beyond-declared-size');
    return Number(sizeBytes);
  }

  private checkSlice(path: string, slice: DataSlice | undefined, sizeBytes: number): void {
    this.checkBounds(path, slice);
    const length = slice?.length ?? 0n;
    if (sizeBytes > 0 && length === 0n) this.refuse(path, 'bad-slice');
    const plain = slice?.compression !== Compression.ZSTD;
    if (plain && length !== BigInt(sizeBytes)) this.refuse(path, 'bad-slice');
  }

  private checkBounds(path: string, slice: DataSlice | undefined): void {
    if (!slice) return;
    const { offset, length, compression } = slice;
    const known = compression === Compression.NONE || compression === Compression.ZSTD;
    if (length > 0n && !known) this.refuse(path, 'bad-slice');
    if (offset < 0n || length < 0n || offset + length > this.caps.dataBytes) {
      this.refuse(path, 'bad-slice');
    }
  }

  private refuse(path: string, reason: IllegalReason): never {
    this.tree.refuse(path, reason);
  }
}

function pathOf(value: Command['command']['value']): string {
  if (!value) return '';
  return 'path' in value ? value.path : value.name;
}

/** Fields of a later version of the contract, which this interpreter would silently not obey. */
function hasUnknown(value: Message): boolean {
  return (value.$unknown?.length ?? 0) > 0;
}
