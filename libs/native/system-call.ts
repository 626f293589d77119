import { getSystemErrorName } from 'node:util';
import { errno, loadLibrary, type NativeFunction } from './ffi.js';

/** Opens a function of the C library; undefined where there is none. */
export function systemFunction(declaration: string): NativeFunction | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return loadLibrary(null)?.func(declaration);
  } catch {
    return undefined;
  }
}

/** The error of the call that just failed on this thread, as Node makes them. */
export function systemError(syscall: string, path: string): NodeJS.ErrnoException {
  const number = errno();
  const code = getSystemErrorName(-number);
  return Object.assign(new Error(`${code}: ${syscall} ${path}`), { code, errno: number, syscall });
}
