import type { NativeFunction } from './ffi.js';
import { systemError, systemFunction } from './system-call.js';

const currentDirectory = -100;
const exchangeFlag = 2;

let native: NativeFunction | null | undefined;

/** Whether two names can be exchanged in one step here; a file system may still refuse it. */
export function canExchange(): boolean {
  return renameat2() !== undefined;
}

/**
 * Exchanges what two paths name, in one step: at every moment both exist. Both are on one file
 * system; a link is exchanged itself.
 * @throws as `fs.renameSync`; ENOSYS where the host cannot, EINVAL where the file system cannot
 */
export function exchangePaths(one: string, other: string): void {
  const rename = renameat2();
  if (!rename) {
    const message = `ENOSYS: this host cannot exchange ${one} and ${other}`;
    throw Object.assign(new Error(message), { code: 'ENOSYS', syscall: 'renameat2' });
  }
  const result = Number(rename(currentDirectory, one, currentDirectory, other, exchangeFlag));
  if (result !== 0) throw systemError('renameat2', `${one} <-> ${other}`);
}

function renameat2(): NativeFunction | undefined {
  const declaration =
    'int renameat2(int at, const char *one, int other_at, const char *other, unsigned int flags)';
  if (native === undefined) native = systemFunction(declaration) ?? null;
  return native ?? undefined;
}
