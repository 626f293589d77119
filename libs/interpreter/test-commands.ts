import { createHash } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Manifest, TreeEntry } from '#libs/content-store/manifest.js';
import { treeDigest } from '#libs/content-store/manifest.js';
import {
  type AssignmentHeader,
  AssignmentHeaderSchema,
  type Command,
  CommandSchema,
  Compression,
  PatchEncoding,
} from '#libs/contracts/index.js';
import type { ContentSource } from './ports.js';

/*
 * Short forms for the tests of this library: entries, commands and whole assignments in memory.
 */

export const testTimeMs = 1_700_000_000_123;

export const sha256 = (content: string | Uint8Array): Buffer =>
  createHash('sha256').update(content).digest();

export function file(path: string, content: string | Uint8Array, mode = 0o644): TreeEntry {
  return {
    type: 'file',
    path,
    mode,
    sizeBytes: Buffer.byteLength(content),
    mtimeMs: testTimeMs,
    digest: sha256(content).toString('hex'),
  };
}

export const directory = (path: string, mode = 0o755): TreeEntry => ({
  type: 'directory',
  path,
  mode,
});

export const symlink = (path: string, target: string): TreeEntry => ({
  type: 'symlink',
  path,
  target,
});

type CommandInit = MessageInitShape<typeof CommandSchema>['command'];

/** Commands and the data file that they refer to, made together. */
export class TestAssignment implements ContentSource {
  readonly commands: Command[] = [];
  private readonly pieces: Buffer[] = [];
  private dataBytes = 0;

  directory(path: string, mode = 0o755): this {
    return this.init({ case: 'makeDirectory', value: { path, mode } });
  }

  put(path: string, content: string | Uint8Array, extra: object = {}): this {
    const data = this.slice(content);
    const value = { ...this.fileFields(path, content), data, ...extra };
    return this.init({ case: 'putFile', value });
  }

  patch(path: string, basePath: string, content: string, extra: object): this {
    const fields = { ...this.fileFields(path, content), basePath };
    const value = { ...fields, encoding: PatchEncoding.OPERATIONS, ...extra };
    return this.init({ case: 'patchFile', value });
  }

  copy(path: string, basePath: string, mode = 0o644, mtimeMs = testTimeMs): this {
    const value = { path, basePath, mode, mtimeMs: BigInt(mtimeMs) };
    return this.init({ case: 'copyFile', value });
  }

  remove(path: string): this {
    return this.init({ case: 'deleteFile', value: { path } });
  }

  removeDirectory(path: string): this {
    return this.init({ case: 'removeDirectory', value: { path } });
  }

  symlink(path: string, target: string): this {
    return this.init({ case: 'makeSymlink', value: { path, target } });
  }

  setMode(path: string, mode: number): this {
    return this.init({ case: 'setMode', value: { path, mode } });
  }

  setTimes(path: string, mtimeMs: number): this {
    return this.init({ case: 'setTimes', value: { path, mtimeMs: BigInt(mtimeMs) } });
  }

  init(command: CommandInit): this {
    this.commands.push(create(CommandSchema, { command }));
    return this;
  }

  /** Appends to the data file. */
  slice(content: string | Uint8Array) {
    const bytes = Buffer.from(content);
    const offset = BigInt(this.dataBytes);
    this.pieces.push(bytes);
    this.dataBytes += bytes.length;
    return { offset, length: BigInt(bytes.length), compression: Compression.NONE };
  }

  header(base: Manifest, result: Manifest, extra: object = {}): AssignmentHeader {
    return create(AssignmentHeaderSchema, {
      site: 'www',
      sequence: 1n,
      agentType: 'posix/1',
      parts: 1,
      part: 1,
      baseTreeDigest: base.length > 0 ? Buffer.from(treeDigest(base), 'hex') : new Uint8Array(),
      resultTreeDigest: Buffer.from(treeDigest(result), 'hex'),
      commandCount: BigInt(this.commands.length),
      dataBytes: BigInt(this.dataBytes),
      diskNeededBytes: 100_000_000n,
      ...extra,
    });
  }

  async read(slice: { offset: bigint; length: bigint }): Promise<Uint8Array> {
    const start = Number(slice.offset);
    return Buffer.concat(this.pieces).subarray(start, start + Number(slice.length));
  }

  async *stream(slice: { offset: bigint; length: bigint }): AsyncGenerator<Uint8Array> {
    const bytes = await this.read(slice);
    for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
  }

  private fileFields(path: string, content: string | Uint8Array) {
    return {
      path,
      mode: 0o644,
      mtimeMs: BigInt(testTimeMs),
      sizeBytes: BigInt(Buffer.byteLength(content)),
      digest: sha256(content),
    };
  }
}
