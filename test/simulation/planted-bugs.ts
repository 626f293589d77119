import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { PlantedBug } from './planted-bug.js';
import { plantedElectionBugs } from './planted-election-bugs.js';
import { plantedMulticastBugs } from './planted-multicast-bugs.js';

/*
 * Plants one bug at a time in a copy of the compiled product and runs the tests that should notice:
 * a test that stays green with its bug planted proves nothing.
 *   npm run planted-bugs -- [--only NAME] [--json]
 */
const { values: options } = parseArgs({
  options: { only: { type: 'string' }, json: { type: 'boolean', default: false } },
});
const copy = mkdtempSync(join(tmpdir(), 'espalier-planted-'));
const jest = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'];
const plantedBugs = [...plantedElectionBugs, ...plantedMulticastBugs];
/** A bug may make a test run for ever. */
const limitMs = 300_000;

function prepare(): void {
  cpSync('dist', join(copy, 'dist'), { recursive: true });
  for (const path of ['package.json', 'jest.config.mjs']) cpSync(path, join(copy, path));
  for (const path of ['libs/election/README.md', 'test/scenarios', 'test/support']) {
    cpSync(path, join(copy, path), { recursive: true });
  }
  symlinkSync(resolve('node_modules'), join(copy, 'node_modules'));
}

function isGreen(tests: readonly string[]): boolean {
  const args = [...jest, '--runInBand', '--bail', '--silent', ...tests];
  const limits = { timeout: limitMs, killSignal: 'SIGKILL' } as const;
  return spawnSync(process.execPath, args, { cwd: copy, stdio: 'ignore', ...limits }).status === 0;
}

/** Whether a test turned red. @throws when the code that the bug replaces is not there once */
function isCaught({ name, file, from, to, tests }: PlantedBug): boolean {
  const path = join(copy, 'dist', file);
  const sound = readFileSync(path, 'utf8');
  if (sound.split(from).length !== 2) throw new Error(`${name}: ${file} has not one "${from}"`);
  writeFileSync(
    path,
    sound.replace(from, () => to),
  );
  try {
    return !isGreen(tests);
  } finally {
    writeFileSync(path, sound);
  }
}

try {
  prepare();
  const chosen = plantedBugs.filter(({ name }) => !options.only || name === options.only);
  const tests = [...new Set(chosen.flatMap((bug) => bug.tests))];
  if (!isGreen(tests)) throw new Error('the tests are red without any bug planted');
  const results = chosen.map((bug) => {
    const caught = isCaught(bug);
    if (!options.json) process.stdout.write(`${caught ? 'caught' : 'MISSED'}  ${bug.name}\n`);
    return { name: bug.name, caught };
  });
  const caught = results.filter((result) => result.caught).length;
  const missed = results.filter((result) => !result.caught).map(({ name }) => name);
  const summary = { planted: results.length, caught, missed };
  process.stdout.write(
    options.json
      ? `${JSON.stringify(summary)}\n`
      : `planted bugs caught: ${caught} of ${results.length}\n`,
  );
  process.exitCode = missed.length === 0 ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
