import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { contentTokenFile } from '#libs/keys/key-provider.js';
import type { ContentStore } from '../content-store.js';
import type { CollectableStore } from '../pins.js';
import { type DiskContentStore, diskContentStore } from './disk-store.js';
import { fetchingStore, httpSource } from './fetching-store.js';
import { s3ContentStore } from './s3/s3-store.js';

/** Thrown for an environment that names a store only in part. */
export class BadContentStore extends Error {
  override readonly name = 'BadContentStore';
}

/** The content store of one host of the control plane. */
export interface HostContentStore {
  /** What services read and write. */
  readonly store: ContentStore;
  /** Where content finally is: what is pinned, collected and verified. */
  readonly own: ContentStore & CollectableStore & Partial<Pick<DiskContentStore, 'room'>>;
}

/**
 * `<dataDir>/content` on disk, or a bucket:
 *
 * - `ESPALIER_S3_ENDPOINT`, `ESPALIER_S3_BUCKET`, `ESPALIER_S3_ACCESS_KEY_ID`,
 *   `ESPALIER_S3_SECRET_ACCESS_KEY`; `ESPALIER_S3_REGION` (us-east-1), `ESPALIER_S3_PREFIX`.
 * - `ESPALIER_CONTENT_SOURCES`: URLs of other hosts, with commas between; what is missing here is
 *   fetched from them, with `ESPALIER_CONTENT_TOKEN` or what `<dataDir>/keys/content-token` holds.
 * - `ESPALIER_CONTENT_QUOTA_BYTES`: what a store on disk may take.
 *
 * @throws BadContentStore
 */
export function openContentStore(dataDir: string, env: NodeJS.ProcessEnv): HostContentStore {
  const own = env.ESPALIER_S3_ENDPOINT ? bucket(dataDir, env) : onDisk(dataDir, env);
  const urls = (env.ESPALIER_CONTENT_SOURCES ?? '').split(',').map((url) => url.trim());
  const token = () =>
    env.ESPALIER_CONTENT_TOKEN || tokenIn(join(dataDir, 'keys', contentTokenFile));
  const sources = urls.filter((url) => url !== '').map((url) => httpSource(url, token));
  return { own, store: sources.length > 0 ? fetchingStore(own, sources) : own };
}

function tokenIn(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function onDisk(dataDir: string, env: NodeJS.ProcessEnv): DiskContentStore {
  const quota = env.ESPALIER_CONTENT_QUOTA_BYTES ?? '';
  if (!/^\d*$/.test(quota)) {
    throw new BadContentStore(`ESPALIER_CONTENT_QUOTA_BYTES is ${quota}; give a number of bytes`);
  }
  return diskContentStore(join(dataDir, 'content'), quota ? { quotaBytes: Number(quota) } : {});
}

function bucket(dataDir: string, env: NodeJS.ProcessEnv) {
  const required = (name: string) => {
    const value = env[`ESPALIER_S3_${name}`];
    if (value) return value;
    throw new BadContentStore(`ESPALIER_S3_ENDPOINT is set, but ESPALIER_S3_${name} is not`);
  };
  return s3ContentStore({
    endpoint: required('ENDPOINT'),
    bucket: required('BUCKET'),
    accessKeyId: required('ACCESS_KEY_ID'),
    secretAccessKey: required('SECRET_ACCESS_KEY'),
    region: env.ESPALIER_S3_REGION || 'us-east-1',
    prefix: env.ESPALIER_S3_PREFIX ?? '',
    cacheDirectory: join(dataDir, 'content-cache'),
  });
}
