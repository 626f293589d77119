import { closeSync, constants, openSync } from 'node:fs';
import type { NativeFunction } from './ffi.js';
import { systemError, systemFunction } from './system-call.js';

/** The same number on every architecture: it is younger than their unification. */
const callNumber = 437;
const howBytes = 24;
/** linux/openat2.h: no other mount, no magic link, no link at all, nothing above the directory. */
const confined = 0x01 | 0x02 | 0x04 | 0x08;
const oCloseOnExec = 0o2000000;

let native: NativeFunction | null | undefined;

/** Whether the kernel resolves whole paths below a directory handle; probed once. */
export function hasOpenat2(): boolean {
  return openat2() !== undefined;
}

/**
 * Opens `path`, relative, below the open directory `directory`. No component may be a link, a mount
 * point or above the directory. Returns the descriptor. Only where `hasOpenat2()`.
 * @throws as `fs.openSync`: ELOOP for a link, EXDEV for what is outside
 */
export function openBeneath(directory: number, path: string, flags: number): number {
  const open = openat2();
  if (!open) throw new Error('openat2 is not available here');
  const how = Buffer.alloc(howBytes);
  how.writeBigUInt64LE(BigInt(flags | oCloseOnExec), 0);
  how.writeBigUInt64LE(BigInt(confined), 16);
  const opened = Number(open(callNumber, directory, path, how, howBytes));
  if (opened < 0) throw systemError('openat2', path);
  return opened;
}

function openat2(): NativeFunction | undefined {
  if (native === undefined) native = probe() ?? null;
  return native ?? undefined;
}

/** Old kernels and some sandboxes refuse the call. */
function probe(): NativeFunction | undefined {
  const call = systemFunction(
    'long syscall(long number, int directory, const char *path, void *how, size_t bytes)',
  );
  if (!call) return undefined;
  const how = Buffer.alloc(howBytes);
  how.writeBigUInt64LE(BigInt(constants.O_RDONLY | oCloseOnExec), 0);
  how.writeBigUInt64LE(BigInt(confined), 16);
  const root = openSync('/', constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const opened = Number(call(callNumber, root, '.', how, howBytes));
    if (opened < 0) return undefined;
    closeSync(opened);
    return call;
  } finally {
    closeSync(root);
  }
}
