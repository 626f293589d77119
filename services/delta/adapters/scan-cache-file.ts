import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDigest } from '#libs/content-store/content-store.js';
import type { CachedFile, ScanCache } from '#libs/delta/scan.js';

/** What scans learned, one file per site: lost or damaged, it costs the next scan time only. */
export interface ScanCacheFiles {
  load(site: string): Promise<ScanCache>;
  save(site: string, cache: ScanCache): Promise<void>;
}

type Row = [
  path: string,
  device: number,
  inode: number,
  sizeBytes: number,
  mtimeMs: number,
  ctimeMs: number,
  digest: string,
];

export function scanCacheFiles(directory: string): ScanCacheFiles {
  const pathOf = (site: string) => join(directory, `${encodeURIComponent(site)}.json`);
  return {
    async load(site) {
      try {
        const rows = JSON.parse(await readFile(pathOf(site), 'utf8')) as Row[];
        return new Map(rows.filter((row) => isDigest(row[6])).map(fromRow));
      } catch {
        return new Map();
      }
    },

    async save(site, cache) {
      await mkdir(directory, { recursive: true });
      const complete = join(directory, `${randomUUID()}.tmp`);
      try {
        await writeFile(complete, JSON.stringify([...cache].map(toRow)));
        await rename(complete, pathOf(site));
      } finally {
        await rm(complete, { force: true });
      }
    },
  };
}

function toRow([path, file]: [string, CachedFile]): Row {
  const { device, inode, sizeBytes, mtimeMs, ctimeMs, digest } = file;
  return [path, device, inode, sizeBytes, mtimeMs, ctimeMs, digest];
}

function fromRow(row: Row): [string, CachedFile] {
  const [path, device, inode, sizeBytes, mtimeMs, ctimeMs, digest] = row;
  return [path, { device, inode, sizeBytes, mtimeMs, ctimeMs, digest }];
}
