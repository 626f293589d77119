import { open } from 'node:fs/promises';
import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import type { RandomAccess } from '#libs/delta/segments.js';
import { readExactly } from './file-bytes.js';

/** All bytes of a file. @throws BlobNotFound */
export async function contentOf(store: ContentStore, file: FileEntry): Promise<Uint8Array> {
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(file.sizeBytes).buffer);
  let filled = 0;
  for await (const chunk of store.read(file.digest)) {
    if (chunk.length === bytes.length) return chunk;
    if (filled + chunk.length > bytes.length) throw wrongSize(file);
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled !== bytes.length) throw wrongSize(file);
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
    read: (offset, length) => readExactly(handle, offset, length),
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

function wrongSize(file: FileEntry): Error {
  return new Error(`the blob ${file.digest} has not the ${file.sizeBytes} bytes of ${file.path}`);
}
