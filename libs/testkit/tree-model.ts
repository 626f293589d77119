import type { AssignmentData } from '#libs/assignment/reader.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import {
  comparePaths,
  type FileEntry,
  type Manifest,
  type TreeEntry,
} from '#libs/content-store/manifest.js';
import { type Command, PatchEncoding, type PatchFile } from '#libs/contracts/index.js';
import { decompressWithPrefix } from '#libs/native/zstd.js';

type PutOrPatch = Extract<Command['command'], { case: 'putFile' | 'patchFile' }>;

/**
 * What a careful interpreter does, on a tree in memory; every impossible step throws. Content is
 * checked and kept in `store`.
 */
export class TreeModel {
  private readonly entries: Map<string, TreeEntry>;

  constructor(
    private readonly base: Manifest,
    private readonly data: AssignmentData,
    private readonly store: ContentStore,
  ) {
    this.entries = new Map(base.map((entry) => [entry.path, entry]));
  }

  manifest(): Manifest {
    return [...this.entries.values()].sort((a, b) => comparePaths(a.path, b.path));
  }

  async apply({ command }: Command): Promise<void> {
    if (!command.value || !('path' in command.value)) throw new Error('no path');
    const { path } = command.value;
    switch (command.case) {
      case 'deleteFile':
        return this.remove(path, (entry) => entry.type !== 'directory');
      case 'removeDirectory':
        return this.remove(path, (entry) => entry.type === 'directory' && this.isEmpty(path));
      case 'makeDirectory':
        if (this.entries.has(path)) throw new Error(`${path} exists`);
        return this.put({ type: 'directory', path, mode: command.value.mode });
      case 'makeSymlink':
        return this.put({ type: 'symlink', path, target: command.value.target });
      case 'setMode':
      case 'setTimes':
        return this.adjust(path, command.value);
      case 'copyFile': {
        const { mode, mtimeMs, basePath } = command.value;
        return this.put({ ...this.baseFile(basePath), path, mode, mtimeMs: Number(mtimeMs) });
      }
      case 'putFile':
      case 'patchFile':
        return this.put(await this.newFile(command));
      default:
        throw new Error(`${command.case} was not expected`);
    }
  }

  private async newFile(command: PutOrPatch): Promise<FileEntry> {
    const content = await this.content(command);
    const { path, mode, mtimeMs, sizeBytes } = command.value;
    const digest = await this.store.write(content);
    if (digest !== Buffer.from(command.value.digest).toString('hex')) {
      throw new Error(`${path} is wrong`);
    }
    if (BigInt(content.length) !== sizeBytes) throw new Error(`${path} has another size`);
    const times = { mtimeMs: Number(mtimeMs), sizeBytes: content.length };
    return { type: 'file', path, mode, digest, ...times };
  }

  private async content(command: PutOrPatch): Promise<Uint8Array> {
    if (command.case === 'putFile') {
      const { data, sizeBytes } = command.value;
      if (!data) throw new Error('no data');
      return this.data.read(data, Number(sizeBytes));
    }
    const parts: Uint8Array[] = [];
    const base = this.baseFile(command.value.basePath || command.value.path);
    for await (const part of this.store.read(base.digest)) parts.push(part);
    return this.patched(command.value, Buffer.concat(parts));
  }

  private async patched(patch: PatchFile, base: Uint8Array): Promise<Uint8Array> {
    const { data, sizeBytes, encoding, operations } = patch;
    if (!data) throw new Error('no patch');
    if (encoding === PatchEncoding.DIFFERENCE) {
      const result = Uint8Array.from(await this.data.read(data, Number(sizeBytes)));
      const whole = { copyOffset: 0n, copyLength: sizeBytes, literalLength: 0n };
      let at = 0;
      for (const { copyOffset, copyLength, literalLength } of operations.length > 0
        ? operations
        : [whole]) {
        const copied = base.subarray(Number(copyOffset), Number(copyOffset + copyLength));
        for (const [i, byte] of copied.entries()) result[at + i] = (result[at + i] ?? 0) + byte;
        at += Number(copyLength + literalLength);
      }
      return result;
    }
    const frame = await this.data.read(data, Number(data.length));
    if (encoding === PatchEncoding.ZSTD_PREFIX) {
      return decompressWithPrefix(frame, base, Number(sizeBytes));
    }
    const results: Uint8Array[] = [];
    let at = 0;
    for (const { copyOffset, copyLength, literalLength, resultLength } of operations) {
      const segment = frame.subarray(at, at + Number(literalLength));
      const prefix = base.subarray(Number(copyOffset), Number(copyOffset + copyLength));
      results.push(await decompressWithPrefix(segment, prefix, Number(resultLength)));
      at += Number(literalLength);
    }
    return Buffer.concat(results);
  }

  private baseFile(path: string): FileEntry {
    const entry = this.base.find((candidate) => candidate.path === path);
    if (entry?.type !== 'file') throw new Error(`the base has no file ${path}`);
    return entry;
  }

  private put(entry: TreeEntry): void {
    const parent = entry.path.split('/').slice(0, -1).join('/');
    if (parent !== '' && this.entries.get(parent)?.type !== 'directory') {
      throw new Error(`${entry.path} has no parent`);
    }
    const old = this.entries.get(entry.path);
    if (old && old.type !== entry.type) throw new Error(`${entry.path} is in the way`);
    this.entries.set(entry.path, entry);
  }

  private adjust(path: string, change: { mode: number } | { mtimeMs: bigint }): void {
    const entry = this.entries.get(path);
    if (!entry || entry.type === 'symlink') throw new Error(`${path} cannot be adjusted`);
    const adjusted = 'mode' in change ? { mode: change.mode } : { mtimeMs: Number(change.mtimeMs) };
    this.entries.set(path, { ...entry, ...adjusted } as TreeEntry);
  }

  private remove(path: string, isRemovable: (entry: TreeEntry) => boolean): void {
    const entry = this.entries.get(path);
    if (!entry || !isRemovable(entry)) throw new Error(`${path} cannot be removed`);
    this.entries.delete(path);
  }

  private isEmpty(path: string): boolean {
    return ![...this.entries.keys()].some((other) => other.startsWith(`${path}/`));
  }
}
