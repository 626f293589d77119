import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { seededRandom } from '#libs/testkit/seeded-random.js';

/*
 * Rebuilds the pairs of trees that `bench:delta` is measured with, from package names and versions:
 *
 *   npm run bench:delta-workloads -- DIRECTORY [site] [docs] [node] [caddy] [synth] [large]
 *
 * makes DIRECTORY/<name>/old and DIRECTORY/<name>/new. A workload whose packages the configured
 * registries do not offer (any more) is passed over with a word about it.
 */

type Side = 'old' | 'new';
type Maker = (target: Record<Side, string>) => void;

/** apt drops its rights to a user that may not write here otherwise. */
const asRoot = ['-o', 'APT::Sandbox::User=root'];

const site = [
  ['@mui/icons-material', '9.4.0', '9.5.0'],
  ['@mui/material', '9.4.0', '9.5.0'],
  ['typescript', '5.8.3', '5.9.3'],
  ['monaco-editor', '0.55.1', '0.56.0'],
  ['three', '0.186.0', '0.187.0'],
] as const;

const makers: Record<string, Maker> = {
  site: (target) => {
    for (const [name, oldVersion, newVersion] of site) {
      const folder = name.replace('/', '-').replace('@', '');
      unpackNpm(name, oldVersion, join(target.old, folder));
      unpackNpm(name, newVersion, join(target.new, folder));
    }
  },
  docs: debian('postgresql-doc-15', '15.18-0+deb12u1', '15.20-0+deb12u1'),
  node: debian('libnode108', '18.20.4+dfsg-1~deb12u2', '18.20.4+dfsg-1~deb12u3'),
  caddy: debian('caddy', '2.11.2-1~bpo13+1', '2.11.4-1', ['trixie-backports', 'forky', 'sid']),
  synth: (target) => synthesize(target, 1024),
  large: (target) => synthesize(target, 4096),
};

const [directory, ...names] = process.argv.slice(2);
if (directory === undefined) throw new Error('name the directory to build the workloads in');
const usual = Object.keys(makers).filter((name) => name !== 'large');
for (const name of names.length > 0 ? names : usual) build(resolve(directory), name);

function build(parent: string, name: string): void {
  const make = makers[name];
  if (!make) throw new Error(`there is no workload ${name}, only ${Object.keys(makers)}`);
  const place = join(parent, name);
  if (existsSync(place)) {
    say(`${name}: is there`);
    return;
  }
  mkdirSync(parent, { recursive: true });
  const unfinished = mkdtempSync(join(parent, '.unfinished-'));
  const target = { old: join(unfinished, 'old'), new: join(unfinished, 'new') };
  try {
    for (const side of Object.values(target)) mkdirSync(side);
    make(target);
    renameSync(unfinished, place);
    say(`${name}: built`);
  } catch (error) {
    say(`${name}: passed over, ${error instanceof Error ? error.message : error}`);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

function unpackNpm(name: string, version: string, target: string): void {
  inScratch(target, (scratch) => {
    execute('npm', ['pack', '--silent', `${name}@${version}`], scratch);
    const [archive = ''] = readdirSync(scratch);
    mkdirSync(target, { recursive: true });
    execute('tar', ['-xzf', archive, '-C', target, '--strip-components=1'], scratch);
  });
}

/**
 * Both versions of a package of Debian; `apt-get update` may be needed first.
 * @param suites where the versions are, if not where the host's own packages come from; their lists
 *   are fetched from the host's mirror to a place of their own
 */
function debian(
  name: string,
  oldVersion: string,
  newVersion: string,
  suites: readonly string[] = [],
): Maker {
  return (target) => {
    inScratch(target.old, (scratch) => {
      const options = suites.length > 0 ? aptWithSuites(scratch, suites) : [];
      unpackDebian(`${name}=${oldVersion}`, target.old, options);
      unpackDebian(`${name}=${newVersion}`, target.new, options);
    });
  };
}

/** What makes apt use these suites alone, without touching what the host knows of packages. */
function aptWithSuites(scratch: string, suites: readonly string[]): string[] {
  const targets = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'];
  const mirrors = execute('apt-get', targets, scratch).split('\n');
  const mirror = mirrors.find((uri) => uri.endsWith('/debian/')) ?? mirrors[0];
  const sources = join(scratch, 'sources.list');
  writeFileSync(sources, suites.map((suite) => `deb ${mirror} ${suite} main\n`).join(''));
  for (const folder of ['lists', 'cache']) mkdirSync(join(scratch, folder));
  const places = {
    'Dir::Etc::SourceList': sources,
    'Dir::Etc::SourceParts': '-',
    'Dir::State::Lists': join(scratch, 'lists'),
    'Dir::Cache': join(scratch, 'cache'),
  };
  const options = Object.entries(places).flatMap(([name, place]) => ['-o', `${name}=${place}`]);
  execute('apt-get', [...options, ...asRoot, 'update'], scratch);
  return options;
}

function unpackDebian(wanted: string, target: string, options: readonly string[]): void {
  inScratch(target, (scratch) => {
    execute('apt-get', [...options, ...asRoot, 'download', wanted], scratch);
    const [archive = ''] = readdirSync(scratch);
    execute('dpkg-deb', ['--extract', archive, target], scratch);
  });
}

/**
 * Mebibytes of noise, and the same with overwrites of 4 KiB at random places (2,621 in a gibibyte)
 * and 100,003 bytes inserted at 1 MiB. The same every time.
 */
function synthesize(target: Record<Side, string>, pieces: number): void {
  const pieceBytes = 1024 ** 2;
  const overwrites = overwritesByPiece(pieces, pieceBytes);
  const noise = noiseMaker(7);
  const other = noiseMaker(8);
  const files = [
    openSync(join(target.old, 'image'), 'w'),
    openSync(join(target.new, 'image'), 'w'),
  ];
  for (let index = 0; index < pieces; index++) {
    const piece = noise(pieceBytes);
    writeSync(files[0] as number, piece);
    if (index === 1) writeSync(files[1] as number, other(100_004).subarray(0, 100_003));
    for (const offset of overwrites[index] ?? []) other(4096).copy(piece, offset);
    writeSync(files[1] as number, piece);
  }
  for (const file of files) closeSync(file);
}

function overwritesByPiece(pieces: number, pieceBytes: number): number[][] {
  const random = seededRandom(9);
  const result: number[][] = Array.from({ length: pieces }, () => []);
  for (let count = 0; count < Math.floor(pieces * 2.56); count++) {
    const offset = Math.floor(random() * (pieceBytes / 4096)) * 4096;
    result[Math.floor(random() * pieces)]?.push(offset);
  }
  return result;
}

/** Bytes that do not compress: xorshift128, thirty times as fast as asking for each byte. */
function noiseMaker(seed: number): (bytes: number) => Buffer {
  const random = seededRandom(seed);
  const state = Uint32Array.from({ length: 4 }, () => random() * 2 ** 32);
  return (bytes) => {
    const words = new Uint32Array(bytes / 4);
    let [x = 1, y = 2, z = 3, w = 4] = state;
    for (let index = 0; index < words.length; index++) {
      const mixed = x ^ (x << 11);
      [x, y, z] = [y, z, w];
      w = w ^ (w >>> 19) ^ mixed ^ (mixed >>> 8);
      words[index] = w;
    }
    state.set([x, y, z, w]);
    return Buffer.from(words.buffer);
  };
}

function inScratch(beside: string, action: (scratch: string) => void): void {
  const scratch = mkdtempSync(join(beside, '..', '.scratch-'));
  try {
    action(scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** @throws Error with the last line that the program wrote on stderr */
function execute(program: string, args: readonly string[], directory: string): string {
  try {
    const stdio = ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'];
    return execFileSync(program, args, { cwd: directory, stdio, encoding: 'utf8' });
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    const last = stderr?.toString().trim().split('\n').at(-1);
    throw new Error(`${program} ${args.join(' ')} failed: ${last ?? error}`);
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
