import { maxConfigurationBytes } from '#libs/configuration/set-value.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry, Manifest } from '#libs/content-store/manifest.js';
import { type Room, requireRoom } from '#libs/content-store/room.js';
import type { RunStarted } from '#libs/contracts/index.js';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import { storeTree } from '#libs/delta/adapters/store-tree.js';
import { requireDistinctNames, requirePortableNames } from '#libs/delta/names.js';
import type { ScanResult } from '#libs/delta/scan.js';
import { FileChangedWhileRead } from '#libs/delta/scan-errors.js';
import type { Staging } from '../app/dependencies.js';
import type { ScanCacheFiles } from './scan-cache-file.js';

const maxAttempts = 3;

/** How much room the store has; undefined where nobody knows. */
export type MeasureRoom = () => Promise<Room> | undefined;

/**
 * Staging directories on this host. What does not fit is refused before anything is stored: the new
 * content, and an assignment that may be as large again.
 */
export function localStaging(
  store: ContentStore,
  caches: ScanCacheFiles,
  room: MeasureRoom = () => undefined,
): Staging {
  return {
    async capture(run) {
      const previous = await caches.load(run.site);
      for (let attempt = 1; ; attempt++) {
        const known = attempt === 1 ? previous : undefined;
        try {
          const { cache, ...scan } = await scanTree(run.staging, {
            rules: run.filters,
            previous: known,
          });
          requireNames(run, scan.manifest);
          if (run.dryRun) await storeTree({ ...scan, manifest: toConfigure(run, scan) }, store);
          else {
            await requireRoomFor(scan, store, room);
            await storeTree(scan, store);
          }
          await caches.save(run.site, cache);
          return scan;
        } catch (error) {
          if (!(error instanceof FileChangedWhileRead) || attempt === maxAttempts) throw error;
        }
      }
    },
  };
}

/** Files that are read to tell what they will be once the site's values are set in them. */
function toConfigure({ policy }: RunStarted, { manifest }: Pick<ScanResult, 'manifest'>): Manifest {
  const paths = new Set(policy?.configuration.map(({ path }) => path));
  const isSmall = (entry: FileEntry) => entry.sizeBytes <= maxConfigurationBytes;
  return manifest.filter(
    (entry) => entry.type === 'file' && paths.has(entry.path) && isSmall(entry),
  );
}

/** What the site's policy asks of names. @throws ClashingNames, ReservedNames */
export function requireNames({ policy }: Pick<RunStarted, 'policy'>, manifest: Manifest): void {
  const asked = policy?.nameClashes;
  if (asked === 'refuse' || asked === 'portable') requireDistinctNames(manifest);
  if (asked === 'portable') requirePortableNames(manifest);
}

async function requireRoomFor(
  { manifest }: Pick<ScanResult, 'manifest'>,
  store: ContentStore,
  room: MeasureRoom,
): Promise<void> {
  const measured = await room();
  if (!measured) return;
  const lacking = new Map<string, number>();
  for (const entry of manifest) {
    if (entry.type !== 'file' || lacking.has(entry.digest)) continue;
    if (!(await store.has(entry.digest))) lacking.set(entry.digest, entry.sizeBytes);
  }
  const newBytes = [...lacking.values()].reduce((sum, bytes) => sum + bytes, 0);
  requireRoom(measured, 2 * newBytes);
}
