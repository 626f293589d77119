import { Lanes } from '#libs/content-store/adapters/lanes.js';
import { type ContentStore, DigestMismatch } from '#libs/content-store/content-store.js';
import { lacking } from '#libs/content-store/lacking.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import type { ScanResult } from '../scan.js';
import { FileChangedWhileRead } from '../scan-errors.js';
import { isMissing } from './walk.js';

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
  const files = scan.manifest.filter((entry) => entry.type === 'file');
  const lanes = new Lanes(filesAtOnce);
  const take = (file: FileEntry) => lanes.run(() => storeFile(scan.root, file, store));
  await Promise.all((await lacking(store, files)).map(take));
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
