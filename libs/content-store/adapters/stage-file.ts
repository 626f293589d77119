import { createHash, type Hash, hash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, writeFileSync } from 'node:fs';
import { copyFile, type FileHandle, open } from 'node:fs/promises';

const smallBytes = 256 * 1024;
const chunkBytes = 1024 * 1024;
/** New memory for each file costs as much as what is read into it. */
const reused = Buffer.allocUnsafeSlow(smallBytes + 1);

/**
 * Copies a file to a path where there is none.
 * @returns the SHA-256 (hex) of what was written
 */
export async function copyHashing(from: string, to: string): Promise<string> {
  const small = readSmall(from);
  if (small) {
    writeFileSync(to, small, { flag: 'wx', mode: 0o444 });
    return hash('sha256', small);
  }
  if (await cloneFile(from, to)) return hashFile(to);
  return copyLarge(from, to);
}

/** SHA-256 (hex) of a file, read in pieces. */
export async function hashFile(path: string): Promise<string> {
  const digest = createHash('sha256');
  const file = await open(path, 'r');
  try {
    await readInto(digest, file);
  } finally {
    await file.close();
  }
  return digest.digest('hex');
}

/** Writes bytes to a path where there is none; returns their SHA-256 (hex). */
export async function writeHashing(
  content: AsyncIterable<Uint8Array> | Uint8Array,
  to: string,
): Promise<string> {
  const digest = createHash('sha256');
  const file = await open(to, 'wx', 0o444);
  try {
    for await (const bytes of content instanceof Uint8Array ? [content] : content) {
      digest.update(bytes);
      await writeAll(file, bytes);
    }
  } finally {
    await file.close();
  }
  return digest.digest('hex');
}

/**
 * The bytes of a small file, good until the next call; read by synchronous calls: several times as
 * fast as asynchronous ones.
 */
function readSmall(path: string): Buffer | undefined {
  const file = openSync(path, 'r');
  try {
    const stat = fstatSync(file);
    if (!stat.isFile() || stat.size > smallBytes) return undefined;
    const buffer = reused.subarray(0, stat.size + 1);
    let length = 0;
    for (;;) {
      const count = readSync(file, buffer, length, buffer.length - length, null);
      if (count === 0) return buffer.subarray(0, length);
      length += count;
      if (length === buffer.length) return undefined;
    }
  } finally {
    closeSync(file);
  }
}

async function cloneFile(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch {
    return false;
  }
}

async function copyLarge(from: string, to: string): Promise<string> {
  const digest = createHash('sha256');
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'wx', 0o444);
    try {
      await readInto(digest, source, target);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
  return digest.digest('hex');
}

async function readInto(digest: Hash, source: FileHandle, target?: FileHandle): Promise<void> {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, chunkBytes);
    if (bytesRead === 0) return;
    const bytes = buffer.subarray(0, bytesRead);
    digest.update(bytes);
    if (target) await writeAll(target, bytes);
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    offset += (await file.write(bytes, offset)).bytesWritten;
  }
}
