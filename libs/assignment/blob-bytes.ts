import { open } from 'node:fs/promises';
import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import type { RandomAccess } from '#libs/delta/segments.js';
import type { TakeMemory } from '#libs/native/work-memory.js';
import { readExactly } from './file-bytes.js';

/** All bytes of a file. @throws BlobNotFound, RangeOutsideBlob for a blob of another length */
export async function contentOf(
  store: ContentStore,
  { digest, sizeBytes }: FileEntry,
  take: TakeMemory,
): Promise<Uint8Array> {
  const bytes = take(sizeBytes);
  await store.readInto(digest, bytes);
  return bytes;
}

/** A file that is read where it is needed; close it when done. @throws BlobNotFound */
export async function openBlob(
  store: ContentStore,
  file: FileEntry,
): Promise<RandomAccess & { close(): Promise<void> }> {
  const handle = await open(await store.localPath(file.digest));
  return {
    sizeBytes: file.sizeBytes,
    read: (offset, length, take) => readExactly(handle, offset, length, take),
    close: () => handle.close(),
  };
}

/** Bytes in memory, to be read like a file. */
export function inMemory(bytes: Uint8Array): RandomAccess {
  return {
    sizeBytes: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}
