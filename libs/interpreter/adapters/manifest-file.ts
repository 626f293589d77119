import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import type { Manifest } from '#libs/content-store/manifest.js';
import { decodeManifest, encodeManifest } from '#libs/content-store/manifest-codec.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

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
  try {
    return decodeManifest(readFileSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
