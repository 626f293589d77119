import { createWriteStream } from 'node:fs';
import { chmod, mkdir, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { decodeManifest } from '#libs/content-store/manifest-codec.js';
import type { ApiClient } from '../client/api-client.js';

/** Writes the tree of a manifest into a new directory. @returns the number of files */
export async function exportTree(
  client: ApiClient,
  manifestDigest: string,
  directory: string,
): Promise<number> {
  const manifest = decodeManifest(await client.blob(manifestDigest));
  await mkdir(directory);
  let files = 0;
  for (const entry of manifest) {
    const path = join(directory, entry.path);
    if (entry.type === 'directory') await mkdir(path, { mode: entry.mode | 0o700 });
    else if (entry.type === 'symlink') await symlink(entry.target, path);
    else {
      await exportFile(client, entry, path);
      files++;
    }
  }
  for (const entry of manifest.toReversed()) {
    if (entry.type === 'directory') await chmod(join(directory, entry.path), entry.mode);
  }
  return files;
}

async function exportFile(client: ApiClient, entry: FileEntry, path: string): Promise<void> {
  const content = Readable.from([await client.blob(entry.digest)]);
  await pipeline(content, createWriteStream(path, { flags: 'wx', mode: entry.mode }));
  await chmod(path, entry.mode);
  // Half a microsecond more: a time in seconds is a fraction that may fall just below.
  const seconds = String((entry.mtimeMs + 0.0005) / 1_000);
  await utimes(path, seconds, seconds);
}
