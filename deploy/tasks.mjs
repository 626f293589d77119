// What `node deploy/setup.mjs --then <task>` runs; each gives the exit status.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const jest = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'];
const memoryDisk = '/dev/shm';
/** More than all tests keep at a time. */
const scratchBytes = 6 * 1024 ** 3;
const checkedFolders = ['libs', 'services', 'deploy', 'test'];

export const tasks = {
  quickstart: {
    needsServers: true,
    /** In this process: signals and the terminal reach it without a middleman. */
    async run(rest) {
      const program = resolve('dist/services/espalier/quickstart.js');
      process.argv = [process.execPath, program, ...rest];
      await import(pathToFileURL(program).href);
      return process.exitCode;
    },
  },
  'bench:publish': {
    needsServers: true,
    run: (rest) => run(process.execPath, ['dist/test/bench/publish.js', ...rest]),
  },
  'bench:log': {
    needsServers: true,
    run: (rest) => run(process.execPath, ['dist/test/bench/log.js', ...rest]),
  },
  chaos: {
    needsServers: true,
    run: (rest) => run(process.execPath, ['dist/test/chaos/storm-main.js', ...rest]),
  },
  'chaos:overlap': {
    needsServers: true,
    run: (rest) => run(process.execPath, ['dist/test/chaos/overlap-main.js', ...rest]),
  },
  'bench:lan': program('dist/test/bench/lan.js'),
  'sim:multicast': program('dist/test/simulation/multicast.js'),
  'bench:wan': program('dist/test/bench/wan.js'),
  'bench:wan-small': {
    needsServers: true,
    run: (rest) => run(process.execPath, ['dist/test/bench/wan-small.js', ...rest]),
  },
  'sim:tree': program('dist/test/simulation/tree.js'),
  'bench:schedule': {
    needsServers: true,
    run: (rest) => run(process.execPath, ['dist/test/bench/schedule.js', ...rest]),
  },
  'sim:election': program('dist/test/simulation/election.js'),
  'sim:election-lives': program('dist/test/simulation/election-lives.js'),
  'planted-bugs': program('dist/test/simulation/planted-bugs.js'),
  'bench:container': program('dist/test/bench/container.js'),
  'bench:delta': program('dist/test/bench/delta.js'),
  'bench:delta-workloads': program('dist/test/bench/delta-workloads.js'),
  'bench:scan': program('dist/test/bench/scan.js'),
  'fuzz:readers': program('dist/test/fuzz/readers.js'),
  'fuzz:frames': program('dist/test/fuzz/control-frames-main.js'),
  'bench:join': {
    needsServers: true,
    run: (rest) => run(process.execPath, ['dist/test/bench/join.js', ...rest]),
  },
  'bench:fleet': {
    needsServers: true,
    run: (rest) => run(process.execPath, ['dist/test/bench/fleet.js', ...rest]),
  },
  'bench:apply': program('dist/test/bench/apply.js'),
  'chaos:crash': program('dist/test/chaos/crash.js'),
  'chaos:readers': program('dist/test/chaos/readers.js'),
  lint: { needsServers: false, run: () => lint() },
  test: {
    needsServers: true,
    run(rest) {
      process.env.TMPDIR ??= scratchPlace();
      if (lint() === 0) return run(process.execPath, [...jest, ...rest]);
      this.sayFailed();
      return 1;
    },
    /** The closing line of a run in which no test was reached. */
    sayFailed: () => console.log('0 passed, 1 failed'),
  },
};

/** A compiled program that needs no servers. */
function program(path) {
  return { needsServers: false, run: (rest) => run(process.execPath, [path, ...rest]) };
}

/**
 * Where tests keep their files: in memory, where that has room and programs may be run from it.
 * They write and remove a hundred thousand files and many databases, all of a few minutes' life.
 */
function scratchPlace() {
  try {
    const { bavail, bsize } = statfsSync(memoryDisk);
    if (bavail * bsize < scratchBytes || freemem() < scratchBytes) return tmpdir();
    const scratch = mkdtempSync(join(memoryDisk, 'espalier-probe-'));
    try {
      writeFileSync(join(scratch, 'probe'), '#!/bin/sh\n', { mode: 0o755 });
      return spawnSync(join(scratch, 'probe')).status === 0 ? memoryDisk : tmpdir();
    } finally {
      rmSync(scratch, { recursive: true });
    }
  } catch {
    return tmpdir();
  }
}

/** Formatting and lint, the contracts, their generated code, the rules of imports: all, in turn. */
function lint() {
  const folders = checkedFolders.filter((folder) => existsSync(folder));
  const failed = [
    ['biome', () => run('biome', ['check', '--log-level=warn', '--error-on-warnings'])],
    ['buf lint', () => run('buf', ['lint', 'proto'])],
    ['generated code', checkGenerated],
    ['rules of imports', () => run('depcruise', ['--output-type', 'err', ...folders])],
  ].filter(([, check]) => check() !== 0);
  for (const [name] of failed) console.error(`lint: ${name}: failed`);
  return failed.length === 0 ? 0 : 1;
}

/** The code in libs/contracts/generated must be what `npm run generate` makes of proto/. */
function checkGenerated() {
  const scratch = mkdtempSync(join(tmpdir(), 'espalier-generated-'));
  try {
    const status = run('buf', ['generate', '--output', join(scratch, 'proto')], 'proto');
    if (status !== 0) return status;
    const directory = 'libs/contracts/generated';
    const fresh = filesIn(join(scratch, directory));
    const stored = filesIn(directory);
    const stale = [...new Set([...fresh.keys(), ...stored.keys()])].filter(
      (path) => fresh.get(path) !== stored.get(path),
    );
    for (const path of stale) {
      console.error(`${directory}/${path} is not what proto/ says: run \`npm run generate\``);
    }
    return stale.length === 0 ? 0 : 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Relative paths and contents. */
function filesIn(directory) {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(directory.length + 1), readFileSync(path, 'utf8')]),
  );
}

function run(program, args, cwd = '.') {
  const { status, error } = spawnSync(program, args, { cwd, stdio: 'inherit' });
  if (error) console.error(`${program} cannot be run: ${error.message}`);
  return status ?? 1;
}
