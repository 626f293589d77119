import { parseArgs } from 'node:util';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { fuzzFrames } from './control-frames.js';
import { fuzzDataFrames } from './data-frames.js';

/* npm run fuzz:frames -- --count 1000000 --seed 1 --json */
const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const startedMs = systemClock.nowMs();
const asked = { count: Number(values.count), seed: Number(values.seed) };
const fuzzed = fuzzFrames(asked);
const data = fuzzDataFrames(asked);
const wallMs = systemClock.nowMs() - startedMs;
const summary = { ...fuzzed, data, seed: Number(values.seed), wallMs };
process.stdout.write(`${JSON.stringify(summary, undefined, values.json ? undefined : 2)}\n`);
if (fuzzed.heard + data.heard > 0) process.exitCode = 1;
