import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where fetched programs are kept: nothing in it is needed twice, all of it may be deleted. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env.ESPALIER_CACHE_DIR) return env.ESPALIER_CACHE_DIR;
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'espalier');
}

/** Where fetched nats-servers are kept, one directory per version. */
export function natsCache(cacheDir: string): string {
  return join(cacheDir, 'nats-server');
}
