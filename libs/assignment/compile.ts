import type { ContentStore } from '#libs/content-store/content-store.js';
import {
  comparePaths,
  type DirectoryEntry,
  type FileEntry,
  type SymlinkEntry,
  type TreeEntry,
} from '#libs/content-store/manifest.js';
import type { Command } from '#libs/contracts/index.js';
import type { TreeDifference } from '#libs/delta/tree-difference.js';
import * as commands from './commands.js';
import { DataFile } from './data-file.js';
import type { EncodingPolicy } from './encoding-policy.js';
import { contentCommands } from './new-contents.js';
import { bySealing } from './sealing.js';

export interface CompiledAssignment {
  readonly commands: readonly Command[];
  readonly dataBytes: number;
  /** The last of them: content that is not to be sealed with the rest. */
  readonly clearBytes: number;
}

/**
 * Turns a difference into commands in executable order, and writes the data file to `dataPath`.
 *
 * The order: deletions, directory removals (children first), directories (parents first), copies
 * from the base, patches, new files, symlinks, modes, times. Content that is new twice is stored
 * once.
 * @throws BlobNotFound when the store has not some wanted content
 */
export async function compileAssignment(
  difference: TreeDifference,
  store: ContentStore,
  policy: EncodingPolicy,
  dataPath: string,
): Promise<CompiledAssignment> {
  const data = await DataFile.create(dataPath);
  try {
    const { sealed, clear } = policy.sealing
      ? bySealing(difference, policy.sealing)
      : { sealed: difference };
    const contents = await contentCommands(sealed, store, policy, data);
    const sealedBytes = data.sizeBytes;
    if (clear) contents.push(...(await contentCommands(clear, store, policy, data)));
    return {
      commands: [
        ...removals(difference),
        ...directories(difference),
        ...copies(difference),
        ...contents,
        ...symlinks(difference),
        ...adjustments(difference),
      ],
      dataBytes: data.sizeBytes,
      clearBytes: data.sizeBytes - sealedBytes,
    };
  } finally {
    await data.close();
  }
}

function removals({ deleted, renamed, symlinks, directories, typeChanged }: TreeDifference) {
  const replaced = typeChanged.map((change) => change.base);
  const files = [
    ...deleted,
    ...renamed.map((rename) => rename.from),
    ...symlinks.removed,
    ...replaced.filter((entry) => entry.type !== 'directory'),
  ];
  const emptied = [...directories.removed, ...replaced.filter(isDirectory)];
  return [
    ...files.sort(byPath).map(commands.deleteFile),
    ...emptied.sort(byPath).reverse().map(commands.removeDirectory),
  ];
}

function directories({ directories, typeChanged }: TreeDifference): Command[] {
  const made = typeChanged.map((change) => change.wanted).filter(isDirectory);
  return [...directories.added, ...made].sort(byPath).map(commands.makeDirectory);
}

function copies({ renamed, copied, typeChanged }: TreeDifference): Command[] {
  const result = [...renamed, ...copied].map(({ from, wanted }) => commands.copyFile(from, wanted));
  for (const { from, wanted } of typeChanged) {
    if (from && isFile(wanted)) result.push(commands.copyFile(from, wanted));
  }
  return result;
}

function symlinks({ symlinks, typeChanged }: TreeDifference): Command[] {
  const made = typeChanged.map((change) => change.wanted).filter(isSymlink);
  return [...symlinks.added, ...symlinks.changed, ...made].map(commands.makeSymlink);
}

function adjustments({ metadata, directories }: TreeDifference): Command[] {
  const modes = metadata.filter(({ base, wanted }) => base.mode !== wanted.mode);
  const times = metadata.filter(({ base, wanted }) => base.mtimeMs !== wanted.mtimeMs);
  return [
    ...modes.map(({ wanted }) => commands.setMode(wanted)),
    ...directories.modeChanged.map(commands.setMode),
    ...times.map(({ wanted }) => commands.setTimes(wanted)),
  ];
}

const byPath = (a: TreeEntry, b: TreeEntry) => comparePaths(a.path, b.path);
const isFile = (entry: TreeEntry): entry is FileEntry => entry.type === 'file';
const isDirectory = (entry: TreeEntry): entry is DirectoryEntry => entry.type === 'directory';
const isSymlink = (entry: TreeEntry): entry is SymlinkEntry => entry.type === 'symlink';
