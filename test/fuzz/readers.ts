import fc from 'fast-check';
import { damage, damaged, meet } from '../support/hostile-bytes.js';
import { sampleReaders } from '../support/sample-container.js';

// Feeds damaged bytes to every reader:
//   node dist/test/fuzz/readers.js [runs] [seed]

const [runs = '1000000', seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2);
const all = await sampleReaders();
const startedMs = performance.now();
const numRuns = Math.ceil(Number(runs) / all.length);
let total = 0;
for (const reader of all) {
  const changes = fc.array(damage, { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(changes, (list) => meet(reader, damaged(reader.original, list))),
    { numRuns, seed: Number(seed) },
  );
  total += numRuns;
  process.stderr.write(`${reader.name}: ${numRuns} damaged inputs, no defect\n`);
}
const seconds = (performance.now() - startedMs) / 1000;
console.log(
  JSON.stringify({ runs: total, seed: Number(seed), readers: all.length, seconds, defects: 0 }),
);
