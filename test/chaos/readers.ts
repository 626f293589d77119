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
  process.stderr.write(
    `${way}: ${result.failedOpens} of ${result.opens} opens failed, ${switches} switches\n`,
  );
}
const good = results.every(({ way, failedOpens }) => (way === 'two-renames') === failedOpens > 0);
if (options.json) process.stdout.write(`${JSON.stringify({ good, results })}\n`);
process.exitCode = good ? 0 : 1;
