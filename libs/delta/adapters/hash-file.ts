import { createHash, hash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { openFileStatus } from '#libs/native/file-status.js';
import { type FileIdentity, isSameFile } from '../scan.js';

/*
 * The SHA-256 of files that must be what they were found to be. Threads run it: it imports little.
 */

/** Files up to this size are read whole, by synchronous calls. */
export const smallBytes = 256 * 1024;
const chunkBytes = 1024 * 1024;
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

let memory = new Uint8Array(0);

/**
 * At once, whatever the size; nothing when the file was not, or did not stay, as it was found.
 * @throws what the system says
 */
export function hashNow(path: string, identity: FileIdentity): Buffer | undefined {
  // One byte more tells that the file is longer.
  const wanted = Math.min(identity.sizeBytes, chunkBytes) + 1;
  if (memory.length < wanted) memory = Buffer.allocUnsafeSlow(Math.max(smallBytes + 1, wanted));
  const file = openSync(path, openFlags);
  try {
    const digest = digestOf(file, identity.sizeBytes);
    return digest && isSameFile(openFileStatus(file), identity) ? digest : undefined;
  } finally {
    closeSync(file);
  }
}

/** Nothing when the file is not as long as it should be. */
function digestOf(file: number, sizeBytes: number): Buffer | undefined {
  let length = readSync(file, memory, 0, memory.length, null);
  // All of it, as a rule.
  if (length === sizeBytes) return hash('sha256', memory.subarray(0, length), 'buffer');
  const digest = createHash('sha256');
  for (let count = length; count > 0 && length <= sizeBytes; length += count) {
    digest.update(memory.subarray(0, count));
    count = readSync(file, memory, 0, memory.length, null);
  }
  return length === sizeBytes ? digest.digest() : undefined;
}

/** As `hashNow`, and leaves the event loop free meanwhile. */
export async function hashLarge(path: string, identity: FileIdentity): Promise<Buffer | undefined> {
  const file = await open(path, openFlags);
  try {
    const digest = await largeDigestOf(file, identity.sizeBytes);
    return digest && isSameFile(openFileStatus(file.fd), identity) ? digest : undefined;
  } finally {
    await file.close();
  }
}

async function largeDigestOf(file: FileHandle, sizeBytes: number): Promise<Buffer | undefined> {
  const digest = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(chunkBytes);
  let length = 0;
  for (let count = 1; count > 0 && length <= sizeBytes; length += count) {
    count = (await file.read(buffer, 0, chunkBytes)).bytesRead;
    digest.update(buffer.subarray(0, count));
  }
  return length === sizeBytes ? digest.digest() : undefined;
}
