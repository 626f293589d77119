import { constants, linkSync, lstatSync } from 'node:fs';
import type { NativeFunction } from './ffi.js';
import { systemError, systemFunction } from './system-call.js';

/** A name in an open directory. */
export interface NameAt {
  readonly directory: number;
  /** One component. */
  readonly name: string;
  /** The same place for Node's own calls. */
  readonly path: string;
}

/** What a name is; a link is not followed. */
export interface StatusAt {
  readonly isFile: boolean;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

/** `struct statx` of linux/stat.h: the same on every architecture. */
const statxBytes = 256;
const offsets = { mode: 28, sizeBytes: 40, seconds: 112, nanoseconds: 120 } as const;
const noFollow = 0x100;
const typeModeTimeAndSize = 0x1 | 0x2 | 0x40 | 0x200;

interface Calls {
  readonly link: NativeFunction;
  readonly status: NativeFunction;
}

let calls: Calls | null | undefined;
const scratch = Buffer.alloc(statxBytes);

/**
 * Gives a file a second name. `linkat(2)` looks up one component on either side; without it the
 * paths are walked, which costs as much as the link. A link is not followed.
 * @throws as `fs.linkSync`
 */
export function linkAt(from: NameAt, to: NameAt): void {
  const native = nativeCalls();
  if (!native) {
    linkSync(from.path, to.path);
    return;
  }
  const result = native.link(from.directory, from.name, to.directory, to.name, 0);
  if (Number(result) !== 0) throw systemError('linkat', `${from.name} -> ${to.name}`);
}

/** What has a name now. @throws as `fs.lstatSync` */
export function statusAt(at: NameAt): StatusAt {
  const native = nativeCalls();
  if (!native) {
    const stats = lstatSync(at.path);
    const { size: sizeBytes, mtimeMs } = stats;
    return { isFile: stats.isFile(), mode: stats.mode & 0o7777, sizeBytes, mtimeMs };
  }
  const { directory, name } = at;
  const result = native.status(directory, name, noFollow, typeModeTimeAndSize, scratch);
  if (Number(result) !== 0) throw systemError('statx', name);
  const mode = scratch.readUInt16LE(offsets.mode);
  const seconds = Number(scratch.readBigInt64LE(offsets.seconds));
  return {
    isFile: (mode & constants.S_IFMT) === constants.S_IFREG,
    mode: mode & 0o7777,
    sizeBytes: Number(scratch.readBigUInt64LE(offsets.sizeBytes)),
    mtimeMs: seconds * 1000 + scratch.readUInt32LE(offsets.nanoseconds) / 1e6,
  };
}

function nativeCalls(): Calls | undefined {
  if (calls === undefined) calls = open() ?? null;
  return calls ?? undefined;
}

function open(): Calls | undefined {
  const link = systemFunction(
    'int linkat(int from, const char *name, int to, const char *new_name, int flags)',
  );
  const status = systemFunction(
    'int statx(int directory, const char *name, int flags, unsigned int mask, void *status)',
  );
  return link && status ? { link, status } : undefined;
}
