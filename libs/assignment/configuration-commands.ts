import { createHash } from 'node:crypto';
import { configure } from '#libs/configuration/configure.js';
import { BadConfiguration } from '#libs/configuration/errors.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import type { FileEntry } from '#libs/content-store/manifest.js';
import type { Command } from '#libs/contracts/index.js';
import * as commands from './commands.js';
import type { EncodingPolicy } from './encoding-policy.js';

/** A file whose content differs from its base's. */
interface ChangedFile {
  readonly wanted: FileEntry;
  readonly base: FileEntry;
}

/**
 * The commands that set the site's values in the base's file, where exactly this makes the wanted
 * one; undefined where more is different, and the file travels like any other.
 */
export async function configurationCommands(
  { wanted, base }: ChangedFile,
  store: ContentStore,
  { configuration = [] }: EncodingPolicy,
): Promise<Command[] | undefined> {
  const values = configuration.filter(({ path }) => path === wanted.path);
  if (values.length === 0 || base.path !== wanted.path) return undefined;
  if (!(await store.has(base.digest))) return undefined;
  const content = Buffer.alloc(base.sizeBytes);
  await store.readInto(base.digest, content);
  const configured = configuredOrNothing(wanted.path, content, values);
  if (!configured) return undefined;
  const digest = createHash('sha256').update(configured.content).digest('hex');
  if (digest !== wanted.digest) return undefined;
  return [
    ...configured.set.map((value) => commands.setConfiguration(wanted.path, value)),
    ...(base.mode === wanted.mode ? [] : [commands.setMode(wanted)]),
    ...(base.mtimeMs === wanted.mtimeMs ? [] : [commands.setTimes(wanted)]),
  ];
}

/** The base may be of a time at which the file was no configuration. */
function configuredOrNothing(...of: Parameters<typeof configure>) {
  try {
    return configure(...of);
  } catch (error) {
    if (error instanceof BadConfiguration) return undefined;
    throw error;
  }
}
