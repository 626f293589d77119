import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  statfsSync,
} from 'node:fs';
import { join } from 'node:path';
import type { AssignmentHeader } from '#libs/contracts/host.js';
import { DiskFull, UnsafeDirectory } from '../errors.js';
import { type SiteLayout, type SiteLocation, siteLayout } from '../site-layout.js';

/**
 * Resolves the agent's root once and makes the site's own directories, none of which may be a link.
 * @throws UnsafeDirectory
 */
export function openSite({ root, site }: SiteLocation): SiteLayout {
  if (!existsSync(root)) mkdirSync(root, { recursive: true });
  const resolved = realpathSync.native(root);
  const layout = siteLayout({ root: resolved, site });
  for (const path of [join(resolved, 'sites'), layout.directory, layout.versions]) {
    makeDirectory(path);
  }
  return layout;
}

/** Makes new names in a directory durable. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Looks first: the directory is nearly always there, and an error costs more than the look. */
function makeDirectory(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) makeNew(path);
  if (!lstatSync(path).isDirectory()) throw new UnsafeDirectory(path, 'is not a directory');
}

function makeNew(path: string): void {
  try {
    mkdirSync(path, 0o755);
    syncDirectory(join(path, '..'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** @throws DiskFull when there is not the room that a version needs */
export function requireSpace(layout: SiteLayout, header: AssignmentHeader): void {
  const { bavail, bsize } = statfsSync(layout.versions, { bigint: true });
  const freeBytes = bavail * bsize;
  if (freeBytes >= header.diskNeededBytes) return;
  throw new DiskFull(
    `version ${header.sequence} of ${layout.site} needs ${header.diskNeededBytes} bytes; ` +
      `${freeBytes} are free`,
  );
}
