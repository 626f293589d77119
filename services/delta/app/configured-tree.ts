import { createHash } from 'node:crypto';
import { configure } from '#libs/configuration/configure.js';
import { BadConfiguration } from '#libs/configuration/errors.js';
import { maxConfigurationBytes } from '#libs/configuration/set-value.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry, Manifest } from '#libs/content-store/manifest.js';
import type { ConfigurationValue, RunStarted } from '#libs/contracts/index.js';
import { ConfigurationRefused } from './errors.js';

/**
 * What was staged, with the site's values set in it. A file is as new as the newest value that it
 * had not already, so that what caches know of it is not taken for what it is now. A dry run stores
 * nothing; where it has not a file's content either, the file is told as it is staged.
 * @throws ConfigurationRefused
 */
export async function configuredTree(
  store: ContentStore,
  { site, policy, dryRun }: RunStarted,
  staged: Manifest,
): Promise<Manifest> {
  const byPath = new Map<string, ConfigurationValue[]>();
  for (const value of policy?.configuration ?? []) {
    byPath.set(value.path, [...(byPath.get(value.path) ?? []), value]);
  }
  const files = new Map<string, FileEntry>();
  for (const [path, values] of byPath) {
    const file = fileAt(site, path, staged);
    if (dryRun && !(await store.has(file.digest))) continue;
    files.set(path, await configuredFile(store, { site, file, values, dryRun }));
  }
  return files.size === 0 ? staged : staged.map((entry) => files.get(entry.path) ?? entry);
}

function fileAt(site: string, path: string, staged: Manifest): FileEntry {
  const entry = staged.find((each) => each.path === path);
  if (!entry) throw new ConfigurationRefused(site, path, 'it is not there');
  if (entry.type !== 'file') throw new ConfigurationRefused(site, path, `it is a ${entry.type}`);
  if (entry.sizeBytes > maxConfigurationBytes) {
    throw new ConfigurationRefused(site, path, `it has more than ${maxConfigurationBytes} bytes`);
  }
  return entry;
}

interface Configuring {
  readonly site: string;
  readonly file: FileEntry;
  readonly values: readonly ConfigurationValue[];
  readonly dryRun: boolean;
}

async function configuredFile(
  store: ContentStore,
  { site, file, values, dryRun }: Configuring,
): Promise<FileEntry> {
  const staged = Buffer.alloc(file.sizeBytes);
  await store.readInto(file.digest, staged);
  const { content, set } = configureFor(site, file.path, staged, values);
  if (set.length === 0) return file;
  if (!dryRun) await store.write(content);
  return {
    ...file,
    sizeBytes: content.length,
    digest: createHash('sha256').update(content).digest('hex'),
    mtimeMs: Math.max(file.mtimeMs, ...set.map(({ setAtMs }) => Number(setAtMs))),
  };
}

function configureFor(
  site: string,
  path: string,
  staged: Uint8Array,
  values: readonly ConfigurationValue[],
) {
  try {
    return configure(path, staged, values);
  } catch (error) {
    if (!(error instanceof BadConfiguration)) throw error;
    throw new ConfigurationRefused(site, path, error.message, { cause: error });
  }
}
