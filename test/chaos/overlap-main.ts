import { parseArgs } from 'node:util';
import { overlap } from './overlap/overlap.js';

/* 10,000 runs of one site at once: whether order is kept, none starves, and memory is bounded. */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    replicas: { type: 'string', default: '2' },
    lazy: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const result = await overlap({
  runs: Number(values.runs),
  replicas: Number(values.replicas),
  lazy: values.lazy,
  log: (line) => process.stderr.write(`${line}\n`),
});
process.stdout.write(`${JSON.stringify(result, undefined, values.json ? undefined : 2)}\n`);
const { runs, started, outOfOrder, together } = result;
process.exit(started === runs && outOfOrder === 0 && together === 0 ? 0 : 1);
