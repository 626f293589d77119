import { createHash, hash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { type FileIdentity, isSameFile } from '../scan.js';
import { FileChangedWhileRead, UnreadableFile } from '../scan-errors.js';
import { type FoundFile, findFile, identityOf, isMissing } from './walk.js';

/** Files up to this size are read whole, by synchronous calls. */
export const smallBytes = 256 * 1024;
const chunkBytes = 1024 * 1024;
const maxAttempts = 3;
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface DigestedFile {
  /** As it was when it was read, perhaps after the walk found it. */
  readonly file: FoundFile;
  readonly digest: string;
}

/**
 * Reads a file and makes sure that it did not change meanwhile; tries three times.
 * @returns nothing when there is no such file any more
 * @throws FileChangedWhileRead, UnreadableFile
 */
export async function readDigest(
  root: string,
  found: FoundFile,
): Promise<DigestedFile | undefined> {
  let file: FoundFile | undefined = found;
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const digest = await readOnce(root, file);
    if (digest) return { file, digest };
    file = findFile(root, found.path);
    if (!file) return undefined;
  }
  throw new FileChangedWhileRead(`${root}/${found.path}`);
}

/** The digest, or nothing when the file was not, or did not stay, as it was found. */
async function readOnce(root: string, file: FoundFile): Promise<string | undefined> {
  const path = `${root}/${file.path}`;
  try {
    return file.identity.sizeBytes <= smallBytes
      ? readSmall(path, file.identity)
      : await readLarge(path, file.identity);
  } catch (error) {
    const isReplacedByLink = (error as NodeJS.ErrnoException).code === 'ELOOP';
    if (isMissing(error) || isReplacedByLink) return undefined;
    throw new UnreadableFile(path, error);
  }
}

const smallBuffer = Buffer.allocUnsafeSlow(smallBytes + 1);

function readSmall(path: string, identity: FileIdentity): string | undefined {
  const file = openSync(path, openFlags);
  try {
    const length = readSync(file, smallBuffer, 0, identity.sizeBytes + 1, 0);
    if (length !== identity.sizeBytes) return undefined;
    if (!isSameFile(identityOf(fstatSync(file)), identity)) return undefined;
    return hash('sha256', smallBuffer.subarray(0, length));
  } finally {
    closeSync(file);
  }
}

async function readLarge(path: string, identity: FileIdentity): Promise<string | undefined> {
  const digest = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(chunkBytes);
  const file = await open(path, openFlags);
  try {
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, chunkBytes);
      if (bytesRead === 0) break;
      length += bytesRead;
      if (length > identity.sizeBytes) return undefined;
      digest.update(buffer.subarray(0, bytesRead));
    }
    const isUnchanged = isSameFile(identityOf(await file.stat()), identity);
    return isUnchanged && length === identity.sizeBytes ? digest.digest('hex') : undefined;
  } finally {
    await file.close();
  }
}
