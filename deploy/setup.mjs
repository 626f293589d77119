// Makes a fresh checkout ready to run, and then runs what `--then` names. Needs nothing but Node:
//   node deploy/setup.mjs [--then quickstart|lint|test [arguments]]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { tasks } from './tasks.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const oldestNode = '20.19.0';
const sources = ['libs', 'services', 'deploy', 'test', 'tsconfig.json', 'package-lock.json'];
const consoleConfig = 'services/console/vite.config.mjs';
const buildStamp = 'dist/.built-from';
const serversStamp = 'dist/.servers.json';

class SetupFailed extends Error {}

async function main() {
  const [flag, name, ...rest] = process.argv.slice(2);
  const task = flag === '--then' ? tasks[name] : undefined;
  if (flag && !task) {
    throw new SetupFailed(`Usage: node deploy/setup.mjs [--then ${Object.keys(tasks).join('|')}]`);
  }
  process.chdir(root);
  process.env.PATH = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  checkNode();
  installPackages();
  build();
  if (!task || task.needsServers) await prepareServers();
  if (task) process.exitCode = await task.run(rest);
}

function checkNode() {
  const byNumber = { numeric: true };
  if (process.versions.node.localeCompare(oldestNode, 'en', byNumber) >= 0) return;
  throw new SetupFailed(
    `Node ${process.versions.node} is too old: Espalier needs ${oldestNode} or newer. ` +
      'Install a newer Node and try again.',
  );
}

/** Installs exactly what the lock file says, unless that is what node_modules holds. */
function installPackages() {
  if (isInstalled()) return;
  if (existsSync('node_modules') && lstatSync('node_modules').isSymbolicLink()) {
    throw new SetupFailed(
      'node_modules is a link and does not hold what package-lock.json says: ' +
        'run `npm ci` where it points to, or remove the link.',
    );
  }
  const npm = process.env.npm_execpath?.endsWith('.js')
    ? [process.execPath, process.env.npm_execpath]
    : ['npm'];
  const options = ['--include=dev', '--no-audit', '--no-fund', '--prefer-offline'];
  step('Installing packages (npm ci)', [...npm, 'ci', ...options, '--loglevel=error']);
}

/** npm records what it installed, as its last act, in a lock file inside node_modules. */
function isInstalled() {
  if (!existsSync('node_modules/.package-lock.json')) return false;
  const { packages: wanted } = readJson('package-lock.json');
  const { packages: present } = readJson('node_modules/.package-lock.json');
  const isCurrent = ([path, { version }]) => wanted[path]?.version === version;
  const isPresent = ([path, { optional }]) => path === '' || optional || present[path];
  return Object.entries(present).every(isCurrent) && Object.entries(wanted).every(isPresent);
}

/** Compiles when a source has another size or time than at the last build. */
function build() {
  const fingerprint = fingerprintOf(sources);
  if (existsSync(buildStamp) && readFileSync(buildStamp, 'utf8') === fingerprint) return;
  removeStaleTests();
  step('Compiling', ['tsc', '-p', '.']);
  if (existsSync(consoleConfig)) {
    const options = ['--config', consoleConfig, '--logLevel', 'warn'];
    step('Checking the console', ['tsc', '-p', 'services/console/web']);
    step('Building the console', ['vite', 'build', ...options]);
  }
  writeFileSync(buildStamp, fingerprint);
}

/** A compiled test outlives its source, and would be run. */
function removeStaleTests() {
  if (!existsSync('dist')) return;
  for (const path of readdirSync('dist', { recursive: true })) {
    if (!path.endsWith('.spec.js') || path.includes('node_modules')) continue;
    const isSource = (extension) => existsSync(path.replace(/\.js$/, extension));
    if (!isSource('.ts') && !isSource('.tsx')) rmSync(join('dist', path));
  }
}

/** Finds the servers' programs, fetching nats-server if need be; remembers where they are. */
async function prepareServers() {
  const { NATS_URL, DATABASE_URL, ESPALIER_NATS_SERVER_BIN, ESPALIER_CACHE_DIR } = process.env;
  const environment = [NATS_URL, DATABASE_URL, ESPALIER_NATS_SERVER_BIN, ESPALIER_CACHE_DIR];
  const key = JSON.stringify([process.getuid?.(), ...environment]);
  if (existsSync(serversStamp)) {
    const known = readJson(serversStamp);
    const places = [known.nats, known.postgres].filter((place) => place !== undefined);
    if (known.key === key && places.every((place) => existsSync(place))) return;
  }
  const startedAt = performance.now();
  say('Looking for nats-server and PostgreSQL');
  const launcher = pathToFileURL(join(root, 'dist/deploy/embedded/embedded-servers.js')).href;
  const { prepareServers: prepare } = await import(launcher);
  try {
    const found = await prepare((message) => say(`  ${message}`));
    writeFileSync(serversStamp, JSON.stringify({ key, ...found }));
    for (const place of Object.values(found)) if (place) say(`  ${place}`);
    say(`  done in ${secondsSince(startedAt)}`);
  } catch (error) {
    if (error.remedy) throw new SetupFailed(`${error.message}\n${error.remedy}`);
    throw error;
  }
}

function step(title, [program, ...args]) {
  const startedAt = performance.now();
  say(title);
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 2, 2] });
  if (error) throw new SetupFailed(`${title} failed: ${program} cannot be run: ${error.message}`);
  if (status !== 0) throw new SetupFailed(`${title} failed; see above.`);
  say(`  done in ${secondsSince(startedAt)}`);
}

/** Sizes and times of change of all files below the given places. */
function fingerprintOf(places) {
  const hash = createHash('sha256');
  const visit = (path) => {
    const status = statSync(path);
    if (status.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else hash.update(`${path} ${status.size} ${status.mtimeMs}\n`);
  };
  for (const place of places) if (existsSync(place)) visit(place);
  return hash.digest('hex');
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function secondsSince(startedAt) {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}

/** On stderr: stdout belongs to what runs afterwards. */
function say(line) {
  process.stderr.write(`${line}\n`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SetupFailed)) throw error;
  say(error.message);
  tasks[process.argv[3]]?.sayFailed?.();
  process.exitCode = 1;
}
