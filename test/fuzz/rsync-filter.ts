import { seededRandom } from '#libs/testkit/seeded-random.js';
import { compareWithRsync, setsOfRules } from '../support/rsync-filter.js';

// Compares the filters with those of a real rsync:
//   node dist/test/fuzz/rsync-filter.js [runs] [seed] [rsync]

const [runs = '200', seed = '1', rsync = 'rsync'] = process.argv.slice(2);
const random = seededRandom(Number(seed));
for (let run = 1; run <= Number(runs); run++) {
  for (const disagreement of await compareWithRsync(random, rsync)) {
    console.error(JSON.stringify({ run, ...disagreement }));
    process.exitCode = 1;
  }
}
const compared = Number(runs) * setsOfRules;
console.log(JSON.stringify({ runs: Number(runs), seed: Number(seed), compared }));
