import { createRequire } from 'node:module';
import type Koffi from 'koffi';

const require = createRequire(import.meta.url);

/** A C function by its declaration, callable here and on a worker thread. */
export interface NativeFunction {
  (...args: readonly unknown[]): number | bigint;
  async(...args: readonly unknown[]): void;
}

export interface NativeLibrary {
  /** @param declaration e.g. `int syncfs(int)` @throws when the library has no such function */
  func(declaration: string): NativeFunction;
}

/** Threads run zstd, which wants more stack than koffi gives by default. */
const threadStackBytes = 1_048_576;

let loaded: typeof Koffi | null | undefined;

/**
 * koffi, loaded at the first use (it costs 4 to 5 MB); undefined where it has no build, and where
 * ESPALIER_NATIVE=off asks for the portable ways.
 */
function koffi(): typeof Koffi | undefined {
  if (loaded === undefined && process.env.ESPALIER_NATIVE === 'off') loaded = null;
  if (loaded === undefined) {
    try {
      loaded = require('koffi') as typeof Koffi;
    } catch {
      loaded = null;
    }
    if (loaded) configure(loaded);
  }
  return loaded ?? undefined;
}

function configure(ffi: typeof Koffi): void {
  try {
    ffi.config({ async_stack_size: threadStackBytes });
  } catch {
    // Refused once calls were made, which happens only where a test runner loads koffi twice.
  }
}

/** @param name of a shared library; null: what this process has loaded, the C library included */
export function loadLibrary(name: string | null): NativeLibrary | undefined {
  const ffi = koffi();
  // Lengths are passed as 64-bit numbers throughout.
  if (ffi?.sizeof('size_t') !== 8) return undefined;
  try {
    // Node 22.15 and newer export a zstd of their own, which would take the library's place.
    return ffi.load(name, { deep: true }) as unknown as NativeLibrary;
  } catch {
    return undefined;
  }
}

/** What threads work on: out of reach of the garbage collector. */
const inUse = new Set<unknown>();

/**
 * Calls on a worker thread.
 * @param alive what the function uses besides its arguments; kept, as they are, until it returns
 */
export function callOnThread(
  native: NativeFunction,
  args: readonly unknown[],
  alive?: unknown,
): Promise<number | bigint> {
  const uses = [args, alive];
  inUse.add(uses);
  return new Promise((resolve, reject) => {
    native.async(...args, (error: Error | null, result: number | bigint) => {
      inUse.delete(uses);
      if (error) reject(error);
      else resolve(result);
    });
  });
}

/** The C library's error number after a call on this thread that failed. */
export function errno(): number {
  return koffi()?.errno() ?? 0;
}
