import { parseArgs } from 'node:util';
import {
  memoryDirectory,
  type ReadersResult,
  readDuringSwitches,
  type SwitchWay,
} from './switch-readers.js';

/* Readers during many switches, each way, and the control that must fail. */
const { values: options } = parseArgs({
  options: {
    switches: { type: 'string', default: '100000' },
    readers: { type: 'string', default: '4' },
    ways: { type: 'string', default: 'link,exchange,two-renames' },
    dir: { type: 'string', default: memoryDirectory() },
    json: { type: 'boolean', default: false },
  },
});
const results: ReadersResult[] = [];
for (const way of options.ways.split(',') as SwitchWay[]) {
  const { switches, readers, dir } = options;
  const result = await readDuringSwitches(way, Number(switches), Number(readers), dir);
  results.push(result);
  const { opens, failedOpens, cpuMsPerSwitch: cpu } = result;
  process.stderr.write(
    `${way}: ${failedOpens} of ${opens} opens failed, ${switches} switches; a switch costs ` +
      `${cpu.first.toFixed(2)} ms in the first tenth, ${cpu.last.toFixed(2)} ms in the last\n`,
  );
}
const good = results.every(({ way, failedOpens }) => (way === 'two-renames') === failedOpens > 0);
if (options.json) process.stdout.write(`${JSON.stringify({ good, results })}\n`);
process.exitCode = good ? 0 : 1;
