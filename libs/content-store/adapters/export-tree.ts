import { chmod, mkdir, open, readdir, rename, rm, symlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DomainError } from '#libs/contracts/index.js';
import { syncfs } from '#libs/native/syncfs.js';
import { checkedContent } from '../checked-content.js';
import type { ContentStore } from '../content-store.js';
import type { FileEntry, Manifest } from '../manifest.js';

/** Thrown when the place of an export holds something. */
export class ExportTargetNotEmpty extends DomainError {
  override readonly name = 'ExportTargetNotEmpty';
  constructor(directory: string) {
    super(`${directory} is not empty`, 'name a directory that does not exist yet or is empty');
  }
}

export interface Exported {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Writes a tree to a directory: content, modes, modification times and links as the manifest says.
 * The directory gets its name when everything is in it and on the disk.
 * @param directory must not exist, or be empty
 * @throws ExportTargetNotEmpty, BlobNotFound, DigestMismatch
 */
export async function exportTree(
  store: ContentStore,
  manifest: Manifest,
  directory: string,
): Promise<Exported> {
  await requireEmpty(directory);
  const partial = `${directory}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  try {
    const exported = await writeTree(store, manifest, partial);
    await syncfs(partial);
    await rm(directory, { recursive: true, force: true });
    await rename(partial, directory);
    await syncfs(dirname(directory));
    return exported;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

async function requireEmpty(directory: string): Promise<void> {
  try {
    if ((await readdir(directory)).length > 0) throw new ExportTargetNotEmpty(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR') throw new ExportTargetNotEmpty(directory);
    if (code !== 'ENOENT') throw error;
  }
}

/** A manifest names a directory before what is in it, so nothing is reached through a link. */
async function writeTree(store: ContentStore, manifest: Manifest, root: string): Promise<Exported> {
  let files = 0;
  let bytes = 0;
  for (const entry of manifest) {
    const path = join(root, entry.path);
    if (entry.type === 'directory') await mkdir(path, 0o700);
    else if (entry.type === 'symlink') await symlink(entry.target, path);
    else {
      await writeEntry(store, entry, path);
      files++;
      bytes += entry.sizeBytes;
    }
  }
  for (const entry of manifest.toReversed()) {
    if (entry.type === 'directory') await chmod(join(root, entry.path), entry.mode);
  }
  return { files, bytes };
}

async function writeEntry(store: ContentStore, entry: FileEntry, path: string): Promise<void> {
  const { digest, sizeBytes: maxBytes, mode, mtimeMs } = entry;
  const file = await open(path, 'wx', 0o600);
  try {
    const content = checkedContent(store.read(digest), { digest, maxBytes, what: entry.path });
    for await (const bytes of content) {
      for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
    }
    await file.chmod(mode);
  } finally {
    await file.close();
  }
  // Half a microsecond more, so that a fraction just below the millisecond is not cut to the one
  // before; as text because Node takes negative numbers for "now".
  const time = String((mtimeMs + 0.0005) / 1000);
  await utimes(path, time, time);
}
