import { type SyncMethod, syncMethod } from './syncfs.js';
import { type ZstdProviderName, zstdProvider } from './zstd.js';

/** What this host can do natively. The portable way is taken where it cannot. */
export interface NativeCapabilities {
  readonly zstd: ZstdProviderName;
  /** Patches against a reference prefix. */
  readonly zstdPrefix: boolean;
  /** A whole file system is flushed by one call of `syncfs(2)`. */
  readonly syncfs: boolean;
  readonly syncMethod: SyncMethod;
}

/** Probes at the first call, loading native libraries as needed. */
export function probeNative(): NativeCapabilities {
  const { name, prefix } = zstdProvider();
  const method = syncMethod();
  return {
    zstd: name,
    zstdPrefix: prefix !== undefined,
    syncfs: method === 'syncfs',
    syncMethod: method,
  };
}
