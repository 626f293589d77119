import { Lanes } from '#libs/content-store/adapters/lanes.js';
import { timeSlice } from '#libs/content-store/adapters/time-slice.js';
import { type ContentStore, DigestMismatch } from '#libs/content-store/content-store.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import type { ScanResult } from '../scan.js';
import { FileChangedWhileRead } from '../scan-errors.js';
import { isMissing } from './walk.js';

const sliceMs = 20;
/** Enough to share the cost of durability, few enough not to hold up the event loop. */
const filesAtOnce = 2048;

/**
 * Stores the content of all files of a scan that the store lacks.
 * @throws FileChangedWhileRead when a file is not what the scan saw any more
 */
export async function storeTree(
  scan: Pick<ScanResult, 'root' | 'manifest'>,
  store: ContentStore,
): Promise<void> {
  const pause = timeSlice(sliceMs);
  const digests = new Set<string>();
  const lacking: FileEntry[] = [];
  for (const entry of scan.manifest) {
    if (entry.type !== 'file' || digests.has(entry.digest)) continue;
    digests.add(entry.digest);
    const turn = pause();
    if (turn) await turn;
    if (!(await store.has(entry.digest))) lacking.push(entry);
  }
  const lanes = new Lanes(filesAtOnce);
  const take = (file: FileEntry) => lanes.run(() => storeFile(scan.root, file, store));
  await Promise.all(lacking.map(take));
}

async function storeFile(root: string, file: FileEntry, store: ContentStore): Promise<void> {
  const path = `${root}/${file.path}`;
  try {
    await store.writeFile(path, file.digest);
  } catch (error) {
    const isChanged = error instanceof DigestMismatch || isMissing(error);
    throw isChanged ? new FileChangedWhileRead(path) : error;
  }
}
