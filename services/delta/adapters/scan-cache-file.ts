import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeManifest, encodeManifest } from '#libs/content-store/manifest-codec.js';
import type { ScanCache } from '#libs/delta/scan.js';
import { identityFields } from '#libs/delta/scan-cache.js';

/** What scans learned, one file per site: lost or damaged, it costs the next scan time only. */
export interface ScanCacheFiles {
  load(site: string): Promise<ScanCache | undefined>;
  save(site: string, cache: ScanCache): Promise<void>;
}

/** The count of entries, 32 bits; their identities, as this host has numbers; the manifest. */
const countBytes = 4;
const identityBytes = identityFields * Float64Array.BYTES_PER_ELEMENT;

export function scanCacheFiles(directory: string): ScanCacheFiles {
  const pathOf = (site: string) => join(directory, `${encodeURIComponent(site)}.scan`);
  return {
    async load(site) {
      try {
        return cacheIn(await readFile(pathOf(site)));
      } catch {
        return undefined;
      }
    },

    async save(site, cache) {
      await mkdir(directory, { recursive: true });
      const complete = join(directory, `${randomUUID()}.tmp`);
      try {
        await writeFile(complete, partsOf(cache));
        await rename(complete, pathOf(site));
      } finally {
        await rm(complete, { force: true });
      }
    },
  };
}

function partsOf({ manifest, identities }: ScanCache): Uint8Array[] {
  const count = Buffer.alloc(countBytes);
  count.writeUInt32LE(manifest.length);
  return [count, Buffer.from(identities.buffer), encodeManifest(manifest)];
}

/** @throws RangeError, MalformedManifest */
function cacheIn(bytes: Buffer): ScanCache {
  const identitiesEnd = countBytes + bytes.readUInt32LE() * identityBytes;
  if (identitiesEnd > bytes.length) throw new RangeError('the identities are cut short');
  const manifest = decodeManifest(bytes.subarray(identitiesEnd));
  const identities = new Float64Array(manifest.length * identityFields);
  bytes.copy(Buffer.from(identities.buffer), 0, countBytes, identitiesEnd);
  return { manifest, identities };
}
