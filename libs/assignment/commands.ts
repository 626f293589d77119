import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ConfigurationValue } from '#libs/configuration/configure.js';
import type { DirectoryEntry, FileEntry, SymlinkEntry } from '#libs/content-store/manifest.js';
import {
  type Command,
  CommandSchema,
  type DataSlice,
  PatchEncoding,
  type PatchOperationSchema,
} from '#libs/contracts/index.js';

/*
 * Commands for entries of a tree, one function each.
 */

type CommandInit = Exclude<
  MessageInitShape<typeof CommandSchema>['command'],
  { case: undefined } | undefined
>;

export const makeDirectory = ({ path, mode }: DirectoryEntry): Command =>
  command({ case: 'makeDirectory', value: { path, mode } });

export const removeDirectory = ({ path }: { path: string }): Command =>
  command({ case: 'removeDirectory', value: { path } });

export const deleteFile = ({ path }: { path: string }): Command =>
  command({ case: 'deleteFile', value: { path } });

export const makeSymlink = ({ path, target }: SymlinkEntry): Command =>
  command({ case: 'makeSymlink', value: { path, target } });

export const copyFile = (from: FileEntry, { path, mode, mtimeMs }: FileEntry): Command =>
  command({
    case: 'copyFile',
    value: { path, basePath: from.path, mode, mtimeMs: BigInt(mtimeMs) },
  });

export const putFile = (wanted: FileEntry, data: DataSlice): Command =>
  command({ case: 'putFile', value: { ...fileFields(wanted), data } });

/** How a patch is to be read, besides its data. */
export interface PatchForm {
  readonly encoding: PatchEncoding;
  readonly operations?: readonly MessageInitShape<typeof PatchOperationSchema>[];
}

export const patchFile = (
  base: FileEntry,
  wanted: FileEntry,
  { encoding, operations = [] }: PatchForm,
  data: DataSlice,
): Command =>
  command({
    case: 'patchFile',
    value: {
      ...fileFields(wanted),
      basePath: base.path === wanted.path ? '' : base.path,
      encoding,
      operations: isPlain({ encoding, operations }, base, wanted) ? [] : [...operations],
      data,
    },
  });

/** Whether the one operation goes without saying: see `PatchFile.operations`. */
function isPlain(
  { encoding, operations: [first, ...others] = [] }: PatchForm,
  base: FileEntry,
  wanted: FileEntry,
): boolean {
  if (encoding !== PatchEncoding.DIFFERENCE || !first || others.length > 0) return false;
  const copied = BigInt(Math.min(base.sizeBytes, wanted.sizeBytes));
  return !first.copyOffset && first.copyLength === copied;
}

export const setMode = ({ path, mode }: FileEntry | DirectoryEntry): Command =>
  command({ case: 'setMode', value: { path, mode } });

export const setTimes = ({ path, mtimeMs }: FileEntry): Command =>
  command({ case: 'setTimes', value: { path, mtimeMs: BigInt(mtimeMs) } });

export const setConfiguration = (path: string, { key, value }: ConfigurationValue): Command =>
  command({ case: 'setConfiguration', value: { path, key, value } });

export const runHook = (name: string): Command => command({ case: 'runHook', value: { name } });

function fileFields({ path, mode, mtimeMs, sizeBytes, digest }: FileEntry) {
  return {
    path,
    mode,
    mtimeMs: BigInt(mtimeMs),
    sizeBytes: BigInt(sizeBytes),
    digest: new Uint8Array(Buffer.from(digest, 'hex')),
  };
}

function command(init: CommandInit): Command {
  return create(CommandSchema, { command: init });
}
