import { existsSync, lstatSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { canExchange, exchangePaths } from '#libs/native/renameat2.js';
import { readManifestFile } from './adapters/manifest-file.js';
import { removeTree } from './adapters/removal.js';
import { syncDirectory } from './adapters/site-directory.js';
import { buildVersion } from './adapters/version-builder.js';
import { UnknownVersion, UnsafeDirectory } from './errors.js';
import type { PlacedDirectory } from './journal.js';
import type { Step } from './plan.js';
import type { InterpreterPorts } from './ports.js';
import { manifestPath, pristinePath, type SiteLayout } from './site-layout.js';

/*
 * Where the live path must be a real directory, every version has a second tree beside that path,
 * of hard links. A switch exchanges the two directories; the former live tree then takes the name
 * of its own version. Which tree is which is told by inode numbers in the journal.
 */

/** The tree of a version beside the live directory. */
export const stagedPath = (liveDirectory: string, sequence: number): string =>
  `${liveDirectory}.${sequence}`;

/**
 * Makes the second tree of a complete version. Nothing is read: files are linked.
 * @throws UnsafeDirectory when the live path is no directory or cannot be exchanged
 */
export async function stageDirectory(
  layout: SiteLayout,
  { sequence, tree, liveDirectory }: { sequence: number; tree: string; liveDirectory: string },
  ports: Pick<InterpreterPorts, 'syncFilesystem'>,
): Promise<void> {
  checkLiveDirectory(liveDirectory);
  const manifest = readManifestFile(manifestPath(layout, sequence));
  if (!manifest) throw new UnknownVersion(layout.site, `manifest of version ${sequence}`);
  const path = stagedPath(liveDirectory, sequence);
  const building = `${path}.tmp`;
  await removeTree(building);
  await removeTree(path);
  const steps = manifest.map(
    (entry): Step =>
      entry.type === 'file' ? { kind: 'share', entry, base: entry } : { kind: 'make', entry },
  );
  const pristine = pristinePath(layout, sequence);
  await buildVersion({ tree: building, pristine: `${building}.pristine` }, steps, {
    base: { tree, pristine },
    data: noData,
    decodePatch: () => new Uint8Array(),
    isWritable: () => false,
    readOnly: false,
  });
  await ports.syncFilesystem(dirname(liveDirectory));
  renameSync(building, path);
  syncDirectory(dirname(liveDirectory));
}

/** What the journal keeps of a switch to a staged tree. @throws UnknownVersion */
export function placedDirectory(
  site: string,
  path: string,
  sequence: number,
): PlacedDirectory & { readonly staged: string } {
  const staged = stagedPath(path, sequence);
  const inode = inodeOf(staged);
  if (inode === undefined) throw new UnknownVersion(site, `directory ${staged}`);
  return { path, inode, staged };
}

/** Whether the live directory is the tree that a switch was to put there. */
export function isPlaced({ path, inode }: PlacedDirectory): boolean {
  return inodeOf(path) === inode;
}

/**
 * Puts a staged tree in the place of the live directory, or finishes what a crash interrupted.
 * @param former the switch before, if its tree is what the live directory is
 */
export function placeDirectory(
  { path, inode }: PlacedDirectory,
  sequence: number,
  former?: { readonly sequence: number; readonly directory?: PlacedDirectory },
): void {
  const staged = stagedPath(path, sequence);
  if (inodeOf(path) === undefined) renameSync(staged, path);
  else if (inodeOf(path) !== inode) exchangePaths(staged, path);
  const old = inodeOf(staged);
  if (old !== undefined && old !== inode) {
    const known = former?.directory?.inode === old;
    renameSync(staged, known ? stagedPath(path, former.sequence) : `${path}.before-${sequence}`);
  }
  syncDirectory(dirname(path));
}

/** Removes the second trees of versions that are gone. */
export async function removeStaged(
  liveDirectory: string | undefined,
  sequences: readonly number[],
): Promise<void> {
  if (!liveDirectory) return;
  for (const sequence of sequences) await removeTree(stagedPath(liveDirectory, sequence));
}

function checkLiveDirectory(path: string): void {
  if (!canExchange()) throw new UnsafeDirectory(path, 'cannot be exchanged on this host');
  if (existsSync(path) && !lstatSync(path).isDirectory()) {
    throw new UnsafeDirectory(path, 'is not a directory');
  }
}

function inodeOf(path: string): string | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino.toString();
}

const noData = {
  read: () => Promise.reject(new Error('a version is complete without data')),
  stream: () => {
    throw new Error('a version is complete without data');
  },
};
