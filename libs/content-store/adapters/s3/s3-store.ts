import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import {
  BlobNotFound,
  type ByteRange,
  type ContentStore,
  DigestMismatch,
  isDigest,
  requireRange,
} from '../../content-store.js';
import type { Manifest } from '../../manifest.js';
import { decodeManifest, encodeManifest } from '../../manifest-codec.js';
import type { CollectableStore, Shelf, StoredBlob } from '../../pins.js';
import { diskContentStore } from '../disk-store.js';
import { fetchingStore, storeSource } from '../fetching-store.js';
import { hashFile, writeHashing } from '../stage-file.js';
import { bodyOf, S3Client, type S3Location } from './s3-client.js';
import { s3Shelf } from './s3-shelf.js';

export interface S3StoreOptions extends S3Location {
  /** Before the keys of all objects; ends with a slash or is empty. */
  readonly prefix?: string;
  /** A directory of this host for what is written or needed as a file; may be removed any time. */
  readonly cacheDirectory: string;
  /** Larger blobs are uploaded in parts of this size. The service takes 5 MiB to 5 GiB. */
  readonly partBytes?: number;
}

export interface S3ContentStore extends ContentStore, CollectableStore {
  close(): void;
}

const defaultPartBytes = 64 * 1024 ** 2;

/**
 * A content store in a bucket of an S3-compatible service: `<prefix>blobs/ab/ab12...`. A blob's
 * digest is the payload hash of its upload, so the service itself refuses damaged ones.
 */
export function s3ContentStore(options: S3StoreOptions): S3ContentStore {
  return new S3Store(options);
}

class S3Store implements S3ContentStore {
  readonly shelf: Shelf;
  private readonly client: S3Client;
  private readonly prefix: string;
  private readonly partBytes: number;
  /** Blobs that were asked for as local files. */
  private readonly cache: ContentStore;

  constructor(private readonly options: S3StoreOptions) {
    const { prefix = '', partBytes = defaultPartBytes, cacheDirectory } = options;
    this.client = new S3Client(options);
    this.prefix = prefix;
    this.partBytes = partBytes;
    this.shelf = s3Shelf(this.client, prefix);
    this.cache = fetchingStore(diskContentStore(cacheDirectory), [
      storeSource(`the bucket ${options.bucket}`, this),
    ]);
  }

  async has(digest: string): Promise<boolean> {
    return isDigest(digest) && (await this.client.head(this.keyOf(digest))) !== undefined;
  }

  async sizeBytes(digest: string): Promise<number> {
    const found = isDigest(digest) ? await this.client.head(this.keyOf(digest)) : undefined;
    if (!found) throw new BlobNotFound(digest);
    return found.sizeBytes;
  }

  async *read(digest: string, range?: ByteRange): AsyncIterable<Uint8Array> {
    const sizeBytes = await this.sizeBytes(digest);
    if (range) requireRange(digest, range, sizeBytes);
    const first = range?.offset ?? 0;
    const end = range ? first + range.length : sizeBytes;
    if (end === first) return;
    const answer = await this.client.get(this.keyOf(digest), first, end - 1);
    if (!answer) throw new BlobNotFound(digest);
    yield* exactly(answer, first, end, digest);
  }

  /** From the local copy, which is made if there is none: most are read more than once. */
  readInto(digest: string, target: Uint8Array): Promise<void> {
    return this.cache.readInto(digest, target);
  }

  async write(content: AsyncIterable<Uint8Array> | Uint8Array): Promise<string> {
    if (content instanceof Uint8Array && content.length <= this.partBytes) {
      const body = bodyOf(content);
      await this.client.put(this.keyOf(body.digest), body);
      return body.digest;
    }
    const path = await this.scratchPath();
    try {
      const digest = await writeHashing(content, path);
      await this.upload(path, digest);
      return digest;
    } finally {
      await rm(path, { force: true });
    }
  }

  async writeFile(path: string, digest: string): Promise<void> {
    if (await this.has(digest)) return;
    const actual = await hashFile(path);
    if (actual !== digest) throw new DigestMismatch(path, digest, actual);
    await this.upload(path, digest);
  }

  localPath(digest: string): Promise<string> {
    return this.cache.localPath(digest);
  }

  writeManifest(manifest: Manifest): Promise<string> {
    return this.write(encodeManifest(manifest));
  }

  async readManifest(digest: string, like?: Manifest): Promise<Manifest> {
    const parts: Uint8Array[] = [];
    for await (const bytes of this.read(digest)) parts.push(bytes);
    return decodeManifest(Buffer.concat(parts), like);
  }

  async *blobs(): AsyncIterable<StoredBlob> {
    const prefix = `${this.prefix}blobs/`;
    for await (const { key, sizeBytes, modifiedMs } of this.client.list(prefix)) {
      const digest = key.slice(key.lastIndexOf('/') + 1);
      if (isDigest(digest)) yield { digest, sizeBytes, modifiedMs };
    }
  }

  /** The collector has just listed the blob's age; a hold keeps it longer. */
  async remove(digest: string, beforeMs: number): Promise<boolean> {
    const key = this.keyOf(digest);
    for await (const found of this.client.list(key)) if (found.modifiedMs >= beforeMs) return false;
    await this.client.remove(key);
    return true;
  }

  close(): void {
    this.client.close();
  }

  /** A file that changes meanwhile is refused: by the service, or by the digest of its parts. */
  private async upload(path: string, digest: string): Promise<void> {
    const { size } = await stat(path);
    const key = this.keyOf(digest);
    if (size > this.partBytes) await this.client.multipart(key, this.parts(path, digest));
    else await this.client.put(key, { bytes: createReadStream(path), sizeBytes: size, digest });
  }

  private async *parts(path: string, digest: string): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256');
    let part: Uint8Array[] = [];
    let length = 0;
    const chunks = createReadStream(path, { highWaterMark: 1024 ** 2 });
    for await (const bytes of chunks as AsyncIterable<Buffer>) {
      hash.update(bytes);
      part.push(bytes);
      length += bytes.length;
      if (length < this.partBytes) continue;
      yield Buffer.concat(part);
      part = [];
      length = 0;
    }
    const actual = hash.digest('hex');
    if (actual !== digest) throw new DigestMismatch(path, digest, actual);
    if (length > 0) yield Buffer.concat(part);
  }

  private keyOf(digest: string): string {
    return `${this.prefix}blobs/${digest.slice(0, 2)}/${digest}`;
  }

  private async scratchPath(): Promise<string> {
    const directory = join(this.options.cacheDirectory, 'uploading');
    await mkdir(directory, { recursive: true });
    return join(directory, randomUUID());
  }
}

/** The wanted bytes of an answer; services may give more than was asked for. */
async function* exactly(
  answer: IncomingMessage,
  first: number,
  end: number,
  digest: string,
): AsyncGenerator<Uint8Array> {
  const range = /^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '');
  let at = range ? Number(range[1]) : 0;
  for await (const bytes of answer as AsyncIterable<Buffer>) {
    const wanted = bytes.subarray(Math.max(0, first - at), Math.max(0, end - at));
    at += bytes.length;
    if (wanted.length > 0) yield wanted;
    if (at >= end) return;
  }
  throw new Error(`the object store cut ${digest} off at byte ${at}`);
}
