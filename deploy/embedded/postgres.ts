import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { keptPassword, lockDirectory } from './data-directory.js';
import { ServerDidNotStart } from './errors.js';
import { findFreePort } from './free-port.js';
import type { StartOptions } from './nats.js';
import { unprivilegedUser } from './os-user.js';
import { findPostgres } from './postgres-binaries.js';
import { type Cluster, prepareCluster, role, serverSettings } from './postgres-cluster.js';
import { reachablePlace } from './reachable-place.js';
import { type Supervised, supervise } from './supervise.js';

export interface EmbeddedPostgres {
  readonly url: string;
  /** Where its files are; undefined for an external server. */
  readonly directory?: string;
  /** The child; undefined for an external server. */
  readonly server?: Supervised;
  close(): Promise<void>;
}

const startAttempts = 3;
const database = 'espalier';

/**
 * The server that DATABASE_URL names, else a PostgreSQL of our own on the loopback, with its data
 * in `<dataDir>/postgres`, one directory per major version: its tables are read models, which the
 * event log fills again. Started by root, it runs as an unprivileged user.
 * @throws PostgresMissing, DataDirectoryInUse, ServerDidNotStart
 */
export async function startPostgres(options: StartOptions): Promise<EmbeddedPostgres> {
  const { dataDir, env = process.env, log = () => undefined } = options;
  if (env.DATABASE_URL) return { url: env.DATABASE_URL, close: async () => undefined };
  const user = await unprivilegedUser();
  const binaries = await findPostgres(user, env);
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  const directory = await reachablePlace(user, join(dataDir, 'postgres'), log);
  const lock = await lockDirectory(directory);
  try {
    const password = await keptPassword(dataDir, 'postgres-password');
    const throwaway = options.throwaway ?? false;
    const cluster = { binaries, user, directory, password, throwaway };
    const dataDirectory = await prepareCluster(cluster);
    const { url, server } = await startOwn({ ...cluster, dataDirectory, log });
    const close = async () => {
      await server.stop();
      await lock.release();
    };
    log(`PostgreSQL ${binaries.majorVersion} listens on ${new URL(url).host}`);
    return { url, directory, server, close };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

interface Start extends Cluster {
  readonly dataDirectory: string;
  log(message: string): void;
}

async function startOwn(start: Start): Promise<{ url: string; server: Supervised }> {
  const portFile = join(start.directory, 'port');
  let port = await findFreePort(Number(await readFile(portFile, 'utf8').catch(() => '0')));
  for (let attempt = 1; ; attempt += 1) {
    const urlOf = (name: string) =>
      `postgres://${role}:${start.password}@127.0.0.1:${port}/${name}`;
    try {
      const server = await supervise({
        name: 'PostgreSQL',
        program: join(start.binaries.directory, 'postgres'),
        args: ['-D', start.dataDirectory, ...serverSettings(port, start)],
        user: start.user,
        stopSignal: 'SIGINT',
        logFile: join(start.directory, 'postgres.log'),
        pidFile: join(start.directory, 'postgres.pid'),
        ready: () => answers(urlOf('postgres')),
        log: start.log,
      });
      await createDatabase(urlOf('postgres'));
      await writeFile(portFile, String(port));
      return { url: urlOf(database), server };
    } catch (error) {
      // Another process may have taken the port between our look and the server's.
      if (!(error instanceof ServerDidNotStart) || attempt === startAttempts) throw error;
      port = await findFreePort();
    }
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    await query(url, 'select 1');
    return true;
  } catch {
    return false;
  }
}

async function createDatabase(url: string): Promise<void> {
  const found = await query(url, `select 1 from pg_database where datname = '${database}'`);
  if (found === 0) await query(url, `create database ${database}`);
}

/** Gives the number of rows. */
async function query(url: string, statement: string): Promise<number> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(statement)).rowCount ?? 0;
  } finally {
    await client.end().catch(() => undefined);
  }
}
