import type { Manifest } from './manifest.js';

const digestPattern = /^[0-9a-f]{64}$/;

/** Whether text has the form of a digest; anything else can be no blob, nor part of a path. */
export function isDigest(text: string): boolean {
  return digestPattern.test(text);
}

/** Bytes of a blob, by position. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Content-addressed blobs (SHA-256, lower-case hex) and the manifests over them. */
export interface ContentStore {
  has(digest: string): Promise<boolean>;
  /** @throws BlobNotFound */
  sizeBytes(digest: string): Promise<number>;
  /** @throws BlobNotFound, RangeOutsideBlob */
  read(digest: string, range?: ByteRange): AsyncIterable<Uint8Array>;
  /** Fills `target` with a whole blob. @throws BlobNotFound, RangeOutsideBlob for another length */
  readInto(digest: string, target: Uint8Array): Promise<void>;
  /** Stores bytes under their digest and returns it: atomic, durable, a repetition is harmless. */
  write(content: AsyncIterable<Uint8Array> | Uint8Array): Promise<string>;
  /**
   * Takes a file over without reading it twice when it can (reflink or copy while hashing); does
   * not read it at all when the store has its blob. Files written at the same time share the cost
   * of durability: start many, then wait for all.
   * @throws DigestMismatch when the file is not what `digest` says
   */
  writeFile(path: string, digest: string): Promise<void>;
  /** A local path of the blob for readers that need random access. @throws BlobNotFound */
  localPath(digest: string): Promise<string>;
  writeManifest(manifest: Manifest): Promise<string>;
  /**
   * @param like entries that are the same there are taken from it: both take the memory of one
   * @throws BlobNotFound, MalformedManifest
   */
  readManifest(digest: string, like?: Manifest): Promise<Manifest>;
}

export class BlobNotFound extends Error {
  override readonly name = 'BlobNotFound';
  constructor(readonly digest: string) {
    super(`the content store has no blob ${digest}`);
  }
}

export class RangeOutsideBlob extends Error {
  override readonly name = 'RangeOutsideBlob';
  constructor(digest: string, range: ByteRange, sizeBytes: number) {
    const end = range.offset + range.length;
    super(`blob ${digest} has ${sizeBytes} bytes; ${range.offset} to ${end} are not all in it`);
  }
}

/** @throws RangeOutsideBlob */
export function requireRange(digest: string, range: ByteRange, sizeBytes: number): void {
  const { offset, length } = range;
  const isWhole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (!isWhole || offset < 0 || length < 0 || offset + length > sizeBytes) {
    throw new RangeOutsideBlob(digest, range, sizeBytes);
  }
}

/** @throws RangeOutsideBlob */
export function requireLength(digest: string, target: Uint8Array, sizeBytes: number): void {
  if (target.length === sizeBytes) return;
  throw new RangeOutsideBlob(digest, { offset: 0, length: target.length }, sizeBytes);
}

export class DigestMismatch extends Error {
  override readonly name = 'DigestMismatch';
  constructor(path: string, expected: string, actual: string) {
    super(`${path} has the digest ${actual}, not ${expected}: it changed while it was read`);
  }
}
