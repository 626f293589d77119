import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { constants, lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  comparePaths,
  type FileEntry,
  type Manifest,
  type TreeEntry,
  treeDigest,
} from '#libs/content-store/manifest.js';

/** Thrown for what no manifest can describe: devices, sockets, setuid files. */
export class UnexpectedEntry extends Error {
  override readonly name = 'UnexpectedEntry';
  constructor(path: string) {
    super(`${path} is nothing that a version may contain`);
  }
}

/**
 * The digest of the tree at `directory`, from a full read of every byte. @throws UnexpectedEntry
 */
export async function digestOfTree(directory: string): Promise<string> {
  return treeDigest(await manifestOfTree(directory));
}

/** The manifest of the tree at `directory`; follows no link below it. @throws UnexpectedEntry */
export async function manifestOfTree(directory: string): Promise<Manifest> {
  const entries: TreeEntry[] = [];
  await readInto(entries, directory, '');
  return entries.sort((a, b) => comparePaths(a.path, b.path));
}

async function readInto(entries: TreeEntry[], directory: string, prefix: string): Promise<void> {
  for (const name of await readdir(join(directory, prefix))) {
    const path = prefix === '' ? name : `${prefix}/${name}`;
    const entry = await readEntry(join(directory, path), path);
    entries.push(entry);
    if (entry.type === 'directory') await readInto(entries, directory, path);
  }
}

async function readEntry(absolute: string, path: string): Promise<TreeEntry> {
  const stats = await lstat(absolute);
  const mode = stats.mode & 0o7777;
  if (stats.isSymbolicLink()) return { type: 'symlink', path, target: await readlink(absolute) };
  if (mode > 0o777) throw new UnexpectedEntry(absolute);
  if (stats.isDirectory()) return { type: 'directory', path, mode };
  if (!stats.isFile()) throw new UnexpectedEntry(absolute);
  return readFileEntry(absolute, path);
}

async function readFileEntry(absolute: string, path: string): Promise<FileEntry> {
  const handle = await open(absolute, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const stats = await handle.stat();
    const hash = createHash('sha256');
    const stream = createReadStream(absolute, { fd: handle, autoClose: false });
    for await (const chunk of stream) hash.update(chunk);
    return {
      type: 'file',
      path,
      mode: stats.mode & 0o7777,
      sizeBytes: stats.size,
      mtimeMs: Math.round(stats.mtimeMs),
      digest: hash.digest('hex'),
    };
  } finally {
    await handle.close();
  }
}
