import { hash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BlobNotFound,
  type ByteRange,
  type ContentStore,
  DigestMismatch,
  requireLength,
  requireRange,
} from '../content-store.js';
import type { Manifest } from '../manifest.js';
import { decodeManifest, encodeManifest } from '../manifest-codec.js';
import { memoryShelf } from '../memory-shelf.js';
import type { CollectableStore, StoredBlob } from '../pins.js';

export interface MemoryContentStore extends ContentStore, CollectableStore {
  /** Removes the files that `localPath` made. */
  close(): Promise<void>;
}

/** A content store that ends with the process: for tests and simulations. */
export function memoryContentStore(nowMs: () => number = Date.now): MemoryContentStore {
  return new MemoryStore(nowMs);
}

class MemoryStore implements MemoryContentStore {
  readonly shelf;
  private readonly contents = new Map<string, Uint8Array>();
  private readonly modifiedMs = new Map<string, number>();
  private directory: Promise<string> | undefined;

  constructor(private readonly nowMs: () => number) {
    this.shelf = memoryShelf(nowMs);
  }

  async has(digest: string): Promise<boolean> {
    return this.contents.has(digest);
  }

  async sizeBytes(digest: string): Promise<number> {
    return this.blob(digest).length;
  }

  async *read(digest: string, range?: ByteRange): AsyncIterable<Uint8Array> {
    const blob = this.blob(digest);
    if (range) requireRange(digest, range, blob.length);
    const bytes = range ? blob.subarray(range.offset, range.offset + range.length) : blob;
    if (bytes.length > 0) yield bytes;
  }

  async readInto(digest: string, target: Uint8Array): Promise<void> {
    const blob = this.blob(digest);
    requireLength(digest, target, blob.length);
    target.set(blob);
  }

  async write(content: AsyncIterable<Uint8Array> | Uint8Array): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const bytes of content instanceof Uint8Array ? [content] : content) {
      parts.push(Uint8Array.from(bytes));
    }
    const blob = Buffer.concat(parts);
    const digest = hash('sha256', blob);
    this.keep(digest, blob);
    return digest;
  }

  async writeFile(path: string, digest: string): Promise<void> {
    const known = this.contents.get(digest);
    if (known) return this.keep(digest, known);
    const blob = await readFile(path);
    const actual = hash('sha256', blob);
    if (actual !== digest) throw new DigestMismatch(path, digest, actual);
    this.keep(digest, blob);
  }

  async localPath(digest: string): Promise<string> {
    const blob = this.blob(digest);
    this.directory ??= mkdtemp(join(tmpdir(), 'espalier-blobs-'));
    const path = join(await this.directory, digest);
    await writeFile(path, blob);
    return path;
  }

  writeManifest(manifest: Manifest): Promise<string> {
    return this.write(encodeManifest(manifest));
  }

  async readManifest(digest: string, like?: Manifest): Promise<Manifest> {
    return decodeManifest(this.blob(digest), like);
  }

  async *blobs(): AsyncIterable<StoredBlob> {
    for (const [digest, { length }] of [...this.contents]) {
      yield { digest, sizeBytes: length, modifiedMs: this.modifiedMs.get(digest) ?? 0 };
    }
  }

  async remove(digest: string, beforeMs: number): Promise<boolean> {
    if ((this.modifiedMs.get(digest) ?? 0) >= beforeMs) return false;
    this.contents.delete(digest);
    return true;
  }

  async close(): Promise<void> {
    if (this.directory) await rm(await this.directory, { recursive: true, force: true });
    this.directory = undefined;
  }

  private keep(digest: string, blob: Uint8Array): void {
    this.contents.set(digest, blob);
    this.modifiedMs.set(digest, this.nowMs());
  }

  private blob(digest: string): Uint8Array {
    const blob = this.contents.get(digest);
    if (!blob) throw new BlobNotFound(digest);
    return blob;
  }
}
