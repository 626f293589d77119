import { closeSync, constants, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import type { Manifest } from '#libs/content-store/manifest.js';
import { decodeManifest, encodeManifest } from '#libs/content-store/manifest-codec.js';
import { UnsafeDirectory } from '../errors.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Writes a new file; nothing is flushed. */
export function writeManifestFile(path: string, manifest: Manifest): void {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
  try {
    writeFileSync(fd, encodeManifest(manifest));
  } finally {
    closeSync(fd);
  }
}

/** Undefined when there is none. @throws MalformedManifest */
export function readManifestFile(path: string): Manifest | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    if (!fstatSync(fd).isFile()) throw new UnsafeDirectory(path, 'is no file');
    return decodeManifest(readFileSync(fd));
  } finally {
    closeSync(fd);
  }
}
