import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { NatsServerMissing } from './errors.js';
import { natsCache } from './locations.js';
import { fetchNatsServer, type NatsBinary } from './nats-fetch.js';
import { run } from './run.js';

export const minimumNatsVersion = '2.10.27';

export interface NatsBinaryOptions {
  readonly cacheDir: string;
  readonly env: NodeJS.ProcessEnv;
  log(message: string): void;
}

/**
 * Finds a nats-server: the one named by ESPALIER_NATS_SERVER_BIN, one on the path, one fetched
 * earlier, or one fetched now.
 * @throws NatsServerMissing
 */
export async function findNatsServer(options: NatsBinaryOptions): Promise<NatsBinary> {
  const named = options.env.ESPALIER_NATS_SERVER_BIN;
  const attempts: string[] = [];
  for (const path of named ? [named] : await candidates(options)) {
    const version = await natsVersionOf(path);
    if (version && isRecentEnough(version)) return { path, version };
    if (version) attempts.push(`${path} is ${version}`);
    else if (named) attempts.push(`ESPALIER_NATS_SERVER_BIN=${named} is not a nats-server`);
  }
  if (!named) {
    const fetched = await fetchNatsServer(options, async (path) => {
      const version = await natsVersionOf(path);
      return version && isRecentEnough(version) ? version : undefined;
    });
    if ('path' in fetched) return fetched;
    attempts.push(...fetched.attempts);
  }
  throw new NatsServerMissing(minimumNatsVersion, attempts);
}

async function candidates({ cacheDir, env }: NatsBinaryOptions): Promise<string[]> {
  const path = (env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  const directories = new Set([...path, '/usr/sbin', '/usr/local/bin', '/usr/bin']);
  const versions = await readdir(natsCache(cacheDir)).catch(() => []);
  const cached = versions
    .filter((version) => /^\d/.test(version))
    .sort((a, b) => compareVersions(b, a))
    .map((version) => join(natsCache(cacheDir), version));
  return [...directories, ...cached].map((directory) => join(directory, 'nats-server'));
}

async function natsVersionOf(path: string): Promise<string | undefined> {
  const { ok, stdout } = await run(path, ['--version']);
  return ok ? /\bv?(\d+\.\d+\.\d+)/.exec(stdout)?.[1] : undefined;
}

export function isRecentEnough(version: string): boolean {
  return compareVersions(version, minimumNatsVersion) >= 0;
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
