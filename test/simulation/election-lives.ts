import { parseArgs } from 'node:util';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { liveWithLoss, liveWithoutLoss } from './election-life.js';

/*
 * Random lives of segments, two per seed; a broken invariant names its seed and ends with status 1.
 *   npm run sim:election-lives -- --seeds 10000 --first 1 --json
 */
const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    first: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const first = Number(options.first);
const seeds = Number(options.seeds);
const progressEvery = 500;
const startedMs = systemClock.nowMs();
const broken: string[] = [];
for (let seed = first; seed < first + seeds; seed++) {
  for (const live of [liveWithoutLoss, liveWithLoss]) {
    try {
      live(seed);
    } catch (error) {
      broken.push(`${live.name} ${seed}`);
      process.stderr.write(`${(error as Error).message}\n`);
    }
  }
  const done = seed - first + 1;
  if (done % progressEvery === 0) process.stderr.write(`${done} of ${seeds} seeds\n`);
}
const wallMs = systemClock.nowMs() - startedMs;
const summary = { seeds, first, lives: 2 * seeds, violations: broken.length, broken, wallMs };
process.stdout.write(`${JSON.stringify(summary, undefined, options.json ? undefined : 2)}\n`);
process.exitCode = broken.length === 0 ? 0 : 1;
