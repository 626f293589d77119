import type { Shelf, ShelfEntry } from '../../pins.js';
import { bodyOf, type S3Client } from './s3-client.js';

/** Small objects beside the blobs of a bucket; `prefix` ends with a slash or is empty. */
export function s3Shelf(client: S3Client, prefix: string): Shelf {
  return {
    put: (key, bytes) => client.put(prefix + key, bodyOf(bytes)),
    async get(key) {
      const answer = await client.get(prefix + key);
      if (!answer) return undefined;
      const parts: Buffer[] = [];
      for await (const bytes of answer as AsyncIterable<Buffer>) parts.push(bytes);
      return Buffer.concat(parts);
    },
    remove: (key) => client.remove(prefix + key),
    async list(kind) {
      const entries: ShelfEntry[] = [];
      for await (const { key, modifiedMs } of client.list(`${prefix}${kind}/`)) {
        entries.push({ key: key.slice(prefix.length), modifiedMs });
      }
      return entries;
    },
  };
}
