import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { killAtEveryStep, killAtRandomTimes, replayEveryPrefix } from './crashes.js';
import { memoryDirectory } from './switch-readers.js';

/* The crash test at its full length. */
const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    repetitions: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    dir: { type: 'string', default: memoryDirectory() },
    json: { type: 'boolean', default: false },
  },
});
const directory = mkdtempSync(join(options.dir, 'espalier-crash-'));
try {
  const writes = await replayEveryPrefix(directory);
  process.stderr.write(`${writes} states of the disk, one after every write: whole\n`);
  const steps = await killAtEveryStep(directory, Number(options.repetitions));
  process.stderr.write(`${steps} kills at steps of the journal: whole\n`);
  const random = seededRandom(Number(options.seed));
  const times = await killAtRandomTimes(directory, Number(options.kills), random);
  process.stderr.write(`${times} kills at random times: whole\n`);
  const figures = { writes, steps, times, seed: Number(options.seed), notWhole: 0 };
  if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
