import { closeSync, constants, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { timeSlice } from '#libs/content-store/adapters/time-slice.js';
import type { Manifest } from '#libs/content-store/manifest.js';
import {
  decodeManifest,
  decodeManifestInSteps,
  encodeManifestInSteps,
} from '#libs/content-store/manifest-codec.js';
import { inTurns } from '#libs/content-store/turns.js';
import { UnsafeDirectory } from '../errors.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** So long others wait at most while a manifest is coded. */
const sliceMs = 10;

/** Writes a new file; nothing is flushed. */
export async function writeManifestFile(path: string, manifest: Manifest): Promise<void> {
  const bytes = await inTurns(encodeManifestInSteps(manifest), timeSlice(sliceMs));
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
  try {
    writeFileSync(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

/** Undefined when there is none. @throws MalformedManifest */
export function readManifestFile(path: string): Manifest | undefined {
  const bytes = bytesOf(path);
  return bytes && decodeManifest(bytes);
}

/** The same in turns. @throws MalformedManifest */
export async function loadManifestFile(path: string): Promise<Manifest | undefined> {
  const bytes = bytesOf(path);
  return bytes && inTurns(decodeManifestInSteps(bytes), timeSlice(sliceMs));
}

function bytesOf(path: string): Uint8Array | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    if (!fstatSync(fd).isFile()) throw new UnsafeDirectory(path, 'is no file');
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}
