import { access, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataDirectoryInUse, ServerDidNotStart } from './errors.js';
import type { OsUser } from './os-user.js';
import type { PostgresBinaries } from './postgres-binaries.js';
import { commandLineOf } from './process-identity.js';
import { run } from './run.js';

export const role = 'espalier';

export interface Cluster {
  readonly binaries: PostgresBinaries;
  readonly user: OsUser | undefined;
  readonly directory: string;
  readonly password: string;
  /** Not worth waiting for the disk. */
  readonly throwaway: boolean;
}

/** Small, and nearly still when nobody asks anything of it. */
export function serverSettings(port: number, cluster: Cluster): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 40,
    shared_buffers: '16MB',
    fsync: cluster.throwaway ? 'off' : 'on',
    wal_level: 'minimal',
    max_wal_senders: 0,
    max_wal_size: '128MB',
    max_logical_replication_workers: 0,
    max_parallel_workers_per_gather: 0,
    autovacuum_naptime: '10min',
    bgwriter_delay: '10s',
    wal_writer_delay: '10s',
    checkpoint_timeout: '30min',
    jit: 'off',
    logging_collector: 'off',
    ...(cluster.binaries.majorVersion >= 18 && { io_method: 'sync' }),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Makes the database cluster if there is none; gives the directory to start PostgreSQL on. */
export async function prepareCluster(cluster: Cluster): Promise<string> {
  const dataDirectory = join(cluster.directory, String(cluster.binaries.majorVersion));
  if (await exists(dataDirectory)) {
    await own(cluster.user, dataDirectory);
    await dropForeignPid(dataDirectory);
    return dataDirectory;
  }
  const draft = `${dataDirectory}.draft`;
  const passwordFile = `${draft}-password`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, `${cluster.password}\n`, { mode: 0o600 });
  try {
    await own(cluster.user, draft);
    await own(cluster.user, passwordFile);
    await initialize(cluster, draft, passwordFile);
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(draft, dataDirectory);
  return dataDirectory;
}

async function initialize(cluster: Cluster, directory: string, passwordFile: string) {
  const outcome = await run(
    join(cluster.binaries.directory, 'initdb'),
    [
      `--pgdata=${directory}`,
      `--username=${role}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      ...(cluster.throwaway ? ['--no-sync'] : []),
    ],
    { user: cluster.user, cwd: '/' },
  );
  if (outcome.ok) return;
  const reason = (outcome.stderr || outcome.stdout).trim().split('\n').slice(-2).join(' | ');
  throw new ServerDidNotStart('PostgreSQL (initdb)', reason, directory);
}

/** PostgreSQL insists on owning its directory; an earlier run may have used another user. */
async function own(user: OsUser | undefined, path: string): Promise<void> {
  if (!user || (await stat(path)).uid === user.uid) return;
  await run('chown', ['-R', `${user.uid}:${user.gid}`, path]);
}

/**
 * After a crash, `postmaster.pid` may name a process number that something else uses now, and
 * PostgreSQL would refuse to start; in all other cases it judges the file better than we could.
 */
async function dropForeignPid(dataDirectory: string): Promise<void> {
  const path = join(dataDirectory, 'postmaster.pid');
  const pid = Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10);
  if (!(pid > 0)) return;
  const commandLine = await commandLineOf(pid);
  if (commandLine.includes(dataDirectory)) throw new DataDirectoryInUse(dataDirectory, pid);
  if (commandLine !== '') await rm(path, { force: true });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
