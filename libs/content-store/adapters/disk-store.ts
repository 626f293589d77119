import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, statSync, utimesSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  BlobNotFound,
  type ByteRange,
  type ContentStore,
  DigestMismatch,
  isDigest,
  requireLength,
  requireRange,
} from '../content-store.js';
import type { Manifest } from '../manifest.js';
import { decodeManifest, encodeManifest } from '../manifest-codec.js';
import type { CollectableStore, Shelf, StoredBlob } from '../pins.js';
import type { Room } from '../room.js';
import { directoryShelf } from './directory-shelf.js';
import { type SyncFiles, syncFiles } from './durability.js';
import { GroupCommit } from './group-commit.js';
import { Lanes } from './lanes.js';
import { readWhole } from './read-whole.js';
import { copyHashing, hashFile, writeHashing } from './stage-file.js';
import { timeSlice } from './time-slice.js';

export interface DiskContentStore extends ContentStore, CollectableStore {
  /** Reads every blob; returns the digests of those that are damaged. */
  verify(): Promise<string[]>;
  /** Sets a damaged blob aside (`damaged/`): the store has it no more and may fetch it anew. */
  quarantine(digest: string): Promise<void>;
  room(): Promise<Room>;
}

export interface DiskStoreOptions {
  /** Makes written files durable; replaces fsync, for instance by syncfs. */
  readonly sync?: SyncFiles;
  /** What all blobs may take together. */
  readonly quotaBytes?: number;
}

/**
 * A content store in a directory, which is made on first use: `blobs/ab/ab12...` by digest,
 * `staging/` for what is not complete. Several processes may use one directory.
 */
export function diskContentStore(
  directory: string,
  options: DiskStoreOptions = {},
): DiskContentStore {
  return new DiskStore(directory, options);
}

/** Smaller blobs are read by synchronous calls: several times as fast. */
const smallBytes = 256 * 1024;
const readChunkBytes = 256 * 1024;
const stagingLanes = 4;
const largestGroup = 2048;
const sliceMs = 10;
const abandonedAfterMs = 24 * 60 * 60 * 1000;

interface StagedBlob {
  readonly path: string;
  readonly digest: string;
}

class DiskStore implements DiskContentStore {
  readonly shelf: Shelf;
  private readonly blobsPath: string;
  private readonly staging: string;
  private readonly pause = timeSlice(sliceMs);
  private readonly lanes = new Lanes(stagingLanes, () => this.commits.poke());
  private readonly commits = new GroupCommit<StagedBlob>(
    (blobs) => this.publish(blobs),
    (size) => this.lanes.isCongested && size < largestGroup,
  );
  private opened: Promise<void> | undefined;

  private readonly sync: SyncFiles;

  constructor(
    private readonly directory: string,
    private readonly options: DiskStoreOptions,
  ) {
    this.blobsPath = join(directory, 'blobs');
    this.staging = join(directory, 'staging');
    this.shelf = directoryShelf(directory);
    this.sync = options.sync ?? syncFiles;
  }

  async has(digest: string): Promise<boolean> {
    const turn = this.pause();
    if (turn) await turn;
    return isDigest(digest) && existsSync(this.pathOf(digest));
  }

  async sizeBytes(digest: string): Promise<number> {
    const found = isDigest(digest)
      ? statSync(this.pathOf(digest), { throwIfNoEntry: false })
      : undefined;
    if (!found) throw new BlobNotFound(digest);
    return found.size;
  }

  async *read(digest: string, range?: ByteRange): AsyncIterable<Uint8Array> {
    const path = await this.localPath(digest);
    if (!range && statSync(path).size <= smallBytes) {
      yield readFileSync(path);
      return;
    }
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (range) requireRange(digest, range, size);
      const end = range ? range.offset + range.length : size;
      for (let offset = range?.offset ?? 0; offset < end; ) {
        const buffer = Buffer.allocUnsafe(Math.min(readChunkBytes, end - offset));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
        if (bytesRead === 0) return;
        offset += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  async readInto(digest: string, target: Uint8Array): Promise<void> {
    if (!isDigest(digest)) throw new BlobNotFound(digest);
    try {
      const sizeBytes = await readWhole(this.pathOf(digest), target);
      requireLength(digest, target, sizeBytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new BlobNotFound(digest);
      throw error;
    }
  }

  async write(content: AsyncIterable<Uint8Array> | Uint8Array): Promise<string> {
    const path = await this.newStagingPath();
    return this.orRemove(path, async () => {
      const digest = await writeHashing(content, path);
      await this.commit({ path, digest });
      return digest;
    });
  }

  async writeFile(source: string, digest: string): Promise<void> {
    if (this.renew(digest)) return;
    const path = await this.newStagingPath();
    await this.orRemove(path, async () => {
      await this.lanes.run(async () => {
        await this.pause();
        const actual = await copyHashing(source, path);
        if (actual !== digest) throw new DigestMismatch(source, digest, actual);
      });
      await this.commit({ path, digest });
    });
  }

  async localPath(digest: string): Promise<string> {
    if (!(await this.has(digest))) throw new BlobNotFound(digest);
    return this.pathOf(digest);
  }

  writeManifest(manifest: Manifest): Promise<string> {
    return this.write(encodeManifest(manifest));
  }

  async readManifest(digest: string, like?: Manifest): Promise<Manifest> {
    return decodeManifest(await readFile(await this.localPath(digest)), like);
  }

  async verify(): Promise<string[]> {
    const damaged: string[] = [];
    for await (const { digest } of this.blobs()) {
      if ((await hashFile(this.pathOf(digest))) !== digest) damaged.push(digest);
    }
    return damaged.sort();
  }

  async quarantine(digest: string): Promise<void> {
    const aside = join(this.directory, 'damaged');
    await mkdir(aside, { recursive: true });
    await rename(await this.localPath(digest), join(aside, digest));
  }

  async *blobs(): AsyncIterable<StoredBlob> {
    for (const shard of await listNames(this.blobsPath)) {
      for (const digest of await listNames(join(this.blobsPath, shard))) {
        const found = statSync(this.pathOf(digest), { throwIfNoEntry: false });
        if (found) yield { digest, sizeBytes: found.size, modifiedMs: found.mtimeMs };
      }
    }
  }

  async remove(digest: string, beforeMs: number): Promise<boolean> {
    const path = this.pathOf(digest);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found && found.mtimeMs >= beforeMs) return false;
    await rm(path, { force: true });
    return true;
  }

  async room(): Promise<Room> {
    await this.newStagingPath();
    const { bavail, bsize } = await statfs(this.directory);
    const freeBytes = bavail * bsize;
    const { quotaBytes } = this.options;
    if (quotaBytes === undefined) return { freeBytes };
    let usedBytes = 0;
    for await (const { sizeBytes } of this.blobs()) usedBytes += sizeBytes;
    return { freeBytes, quota: { usedBytes, quotaBytes } };
  }

  /** Whether a blob is there; if so its age begins anew, so that it is not collected. */
  private renew(digest: string): boolean {
    if (!isDigest(digest) || !existsSync(this.pathOf(digest))) return false;
    try {
      const now = Date.now() / 1000;
      utimesSync(this.pathOf(digest), now, now);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      // It belongs to somebody else, who may not collect it then.
      return existsSync(this.pathOf(digest));
    }
  }

  private pathOf(digest: string): string {
    return `${this.blobsPath}/${digest.slice(0, 2)}/${digest}`;
  }

  private async newStagingPath(): Promise<string> {
    this.opened ??= this.prepare();
    await this.opened;
    return join(this.staging, randomUUID());
  }

  /** Makes the directories and clears what crashed writers left in staging. */
  private async prepare(): Promise<void> {
    await mkdir(this.staging, { recursive: true });
    await mkdir(this.blobsPath, { recursive: true });
    for (const name of await readdir(this.staging)) {
      const path = join(this.staging, name);
      const left = await stat(path).catch(() => undefined);
      if (left && left.mtimeMs < Date.now() - abandonedAfterMs) await rm(path, { force: true });
    }
  }

  private async commit(blob: StagedBlob): Promise<void> {
    if (this.renew(blob.digest)) await rm(blob.path, { force: true });
    else await this.commits.add(blob);
  }

  /**
   * Content reaches the disk before a name points to it, so no crash leaves a wrong blob; the names
   * reach it before the writers are told.
   */
  private async publish(blobs: readonly StagedBlob[]): Promise<void> {
    await this.sync(blobs.map((blob) => blob.path));
    const shards = new Set(blobs.map((blob) => dirname(this.pathOf(blob.digest))));
    for (const shard of shards) {
      if (await mkdir(shard, { recursive: true })) shards.add(this.blobsPath);
    }
    for (const { path, digest } of blobs) {
      await this.pause();
      renameSync(path, this.pathOf(digest));
    }
    await syncFiles([...shards]);
  }

  private async orRemove<T>(path: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }
}

async function listNames(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
