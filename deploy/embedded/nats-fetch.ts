import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import { natsCache } from './locations.js';
import { tryLock } from './lock-file.js';
import { type Outcome, run } from './run.js';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const suites = ['sid', 'trixie'];
const mostMirrors = 3;

export interface NatsBinary {
  readonly path: string;
  readonly version: string;
}

interface FetchOptions {
  readonly cacheDir: string;
  log(message: string): void;
}

/** Gives the version of a nats-server that is recent enough, else undefined. */
type Inspect = (path: string) => Promise<string | undefined>;

/**
 * Fetches the newest nats-server package of Debian into the cache, without installing it, by apt's
 * own download from this machine's own mirror; apt checks the signatures. One process fetches at a
 * time; whoever waited takes what the other fetched.
 */
export async function fetchNatsServer(
  options: FetchOptions,
  inspect: Inspect,
): Promise<NatsBinary | { readonly attempts: string[] }> {
  const cache = natsCache(options.cacheDir);
  await mkdir(cache, { recursive: true });
  let waited = false;
  let lock = await tryLock(join(cache, 'fetching'));
  while ('heldByPid' in lock) {
    if (!waited) options.log(`waiting for process ${lock.heldByPid}, which fetches nats-server`);
    waited = true;
    await sleep(systemClock, 200);
    lock = await tryLock(join(cache, 'fetching'));
  }
  try {
    const earlier = waited ? await newestIn(cache, inspect) : undefined;
    return earlier ?? (await fetchFromMirrors(cache, options, inspect));
  } finally {
    await lock.release();
  }
}

async function newestIn(cache: string, inspect: Inspect): Promise<NatsBinary | undefined> {
  for (const name of await readdir(cache)) {
    const path = join(cache, name, 'nats-server');
    const version = await inspect(path);
    if (version) return { path, version };
  }
  return undefined;
}

async function fetchFromMirrors(
  cache: string,
  options: FetchOptions,
  inspect: Inspect,
): Promise<NatsBinary | { readonly attempts: string[] }> {
  const mirrors = await debianMirrors();
  if ('reason' in mirrors) return { attempts: [mirrors.reason] };
  const attempts: string[] = [];
  for (const suite of suites) {
    for (const mirror of mirrors.uris) {
      options.log(`fetching nats-server of Debian ${suite} into ${cache} (not installed)`);
      const scratch = await mkdtemp(join(cache, 'fetch-'));
      try {
        const unpacked = await unpackPackage(scratch, mirror, suite);
        const version = unpacked.ok ? await inspect(unpacked.stdout) : undefined;
        if (version) return await keep(cache, unpacked.stdout, version);
        attempts.push(`Debian ${suite}: ${lastLine(unpacked)}`);
      } finally {
        await rm(scratch, { recursive: true, force: true });
      }
    }
  }
  return { attempts };
}

/** The mirrors this machine takes its own packages from, the main archive before its additions. */
async function debianMirrors(): Promise<{ uris: string[] } | { reason: string }> {
  if (!(await exists(keyring))) {
    return { reason: `nothing can be fetched: no Debian archive keyring (${keyring})` };
  }
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT) $(CREATED_BY)';
  const targets = await run('apt-get', ['indextargets', '--format', format]);
  if (!targets.ok) return { reason: `nothing can be fetched: apt-get: ${lastLine(targets)}` };
  const sources = targets.stdout
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , component, kind]) => component === 'main' && kind === 'Packages')
    .map(([uri = '', release = '']) => ({ uri, isAddition: release.includes('-') }))
    .sort((a, b) => Number(a.isAddition) - Number(b.isAddition));
  const uris = [...new Set(sources.map(({ uri }) => uri))].slice(0, mostMirrors);
  return uris.length > 0 ? { uris } : { reason: 'apt has no package source configured' };
}

/** Downloads and unpacks into `scratch`; the outcome's stdout is the path of the server. */
async function unpackPackage(scratch: string, mirror: string, suite: string): Promise<Outcome> {
  const apt = async (...args: string[]) =>
    run('apt-get', [...(await privateApt(scratch)), ...args], { cwd: scratch });
  const source = `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`;
  await writeFile(join(scratch, 'sources.list'), source);
  const updated = await apt('update');
  if (!updated.ok) return updated;
  const downloaded = await apt('download', 'nats-server');
  const file = (await readdir(scratch)).find((name) => name.endsWith('.deb'));
  if (!downloaded.ok || !file) return { ...downloaded, ok: false };
  const unpacked = await run('dpkg-deb', ['-x', join(scratch, file), join(scratch, 'unpacked')]);
  if (!unpacked.ok) return unpacked;
  for (const directory of ['usr/sbin', 'usr/bin']) {
    const path = join(scratch, 'unpacked', directory, 'nats-server');
    if (await exists(path)) return { ok: true, stdout: path, stderr: '' };
  }
  return { ok: false, stdout: '', stderr: `${file} holds no nats-server` };
}

/** Options that keep apt away from the machine's own lists, cache and sources. */
async function privateApt(scratch: string): Promise<string[]> {
  await mkdir(join(scratch, 'lists', 'partial'), { recursive: true });
  await mkdir(join(scratch, 'archives', 'partial'), { recursive: true });
  const status = await readFile('/var/lib/dpkg/status', 'utf8').catch(() => '');
  await writeFile(join(scratch, 'status'), status);
  const settings = {
    'Dir::Etc::sourcelist': join(scratch, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State': scratch,
    'Dir::State::lists': join(scratch, 'lists'),
    'Dir::State::status': join(scratch, 'status'),
    'Dir::Cache': scratch,
    'Dir::Cache::archives': join(scratch, 'archives'),
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'APT::Update::Error-Mode': 'any',
    // Root may use a directory that apt's own user cannot enter.
    'APT::Sandbox::User': 'root',
  };
  return ['-q', ...Object.entries(settings).map(([key, value]) => `-o${key}=${value}`)];
}

async function keep(cache: string, path: string, version: string): Promise<NatsBinary> {
  const directory = join(cache, version);
  const kept = join(directory, 'nats-server');
  await mkdir(directory, { recursive: true });
  await rename(path, kept);
  return { path: kept, version };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function lastLine({ stdout, stderr }: Outcome): string {
  return (stderr.trim() || stdout.trim()).split('\n').at(-1) ?? '';
}
