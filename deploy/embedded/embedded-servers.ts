import { mkdir } from 'node:fs/promises';
import { lockDirectory } from './data-directory.js';
import { cacheDirectory } from './locations.js';
import { type EmbeddedNats, type StartOptions, startNats } from './nats.js';
import { findNatsServer } from './nats-binary.js';
import { unprivilegedUser } from './os-user.js';
import { type EmbeddedPostgres, startPostgres } from './postgres.js';
import { findPostgres } from './postgres-binaries.js';

export interface EmbeddedServers {
  readonly nats: EmbeddedNats;
  readonly postgres: EmbeddedPostgres;
  close(): Promise<void>;
}

/**
 * Starts, for a control plane on one host, the servers that its environment does not name.
 * @throws DataDirectoryInUse, NatsServerMissing, PostgresMissing, ServerDidNotStart
 */
export async function startEmbeddedServers(options: StartOptions): Promise<EmbeddedServers> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o711 });
  const lock = await lockDirectory(options.dataDir);
  const [nats, postgres] = await Promise.allSettled([startNats(options), startPostgres(options)]);
  const close = async () => {
    const started = [nats, postgres].filter((server) => server.status === 'fulfilled');
    await Promise.all(started.map((server) => server.value.close()));
    await lock.release();
  };
  if (nats.status === 'fulfilled' && postgres.status === 'fulfilled') {
    return { nats: nats.value, postgres: postgres.value, close };
  }
  await close();
  throw nats.status === 'rejected' ? nats.reason : (postgres as PromiseRejectedResult).reason;
}

export interface ServerPrograms {
  /** Undefined where the environment names a server. */
  readonly nats?: string;
  readonly postgres?: string;
}

/** Finds the programs to start, fetching what can be fetched; a start then needs no network. */
export async function prepareServers(
  log: (message: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ServerPrograms> {
  const nats = env.NATS_URL
    ? undefined
    : await findNatsServer({ cacheDir: cacheDirectory(env), env, log });
  const postgres = env.DATABASE_URL ? undefined : await findPostgres(await unprivilegedUser(), env);
  return { nats: nats?.path, postgres: postgres?.directory };
}
