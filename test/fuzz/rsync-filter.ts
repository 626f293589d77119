import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import type { FilterRule } from '#libs/delta/filter.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';

// Compares the filters with those of a real rsync, on random trees and rules:
//   node dist/test/fuzz/rsync-filter.js [runs] [seed] [rsync]
// Names are ASCII: where rsync matches a byte, the filters match a character.

const [runs = '200', seed = '1', rsync = 'rsync'] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const pick = <T>(choices: readonly T[]) => choices[Math.floor(random() * choices.length)] as T;
const many = (most: number) => Array.from({ length: 1 + Math.floor(random() * most) });

const nameParts = ['a', 'b', 'ab', 'foo', '.c', '*', '[', '\\', '-', ']'];
const patternParts = [
  ...['a', 'b', 'foo', '.c', '/', '/', '*', '*', '**', '***', '?'],
  ...['[ab]', '[!a]', '[a-c]', '[^f]', '[[:alpha:]]', '[]a]', '[a', '\\', '\\*', '[\\]]', '-'],
];
const prefixes = ['', '', '/', '**/'];
const suffixes = ['', '', '/', '/***', '/**', '/*'];

function randomTree(root: string): void {
  for (const _ of many(25)) {
    const names = many(3).map(() =>
      many(2)
        .map(() => pick(nameParts))
        .join(''),
    );
    const path = join(root, ...names);
    try {
      mkdirSync(dirname(path), { recursive: true });
      if (random() < 0.3) mkdirSync(path);
      else writeFileSync(path, '');
    } catch {
      // What is a file already cannot hold another one.
    }
  }
}

function randomRules(): FilterRule[] {
  return many(4).map(() => {
    const middle = many(4).map(() => pick(patternParts));
    return {
      include: random() < 0.4,
      pattern: [pick(prefixes), ...middle, pick(suffixes)].join(''),
    };
  });
}

function rsyncTakes(root: string, rules: readonly FilterRule[]): string[] {
  const filters = rules.map(({ include, pattern }) => `--filter=${include ? '+' : '-'} ${pattern}`);
  const options = ['-r', '--dry-run', '--8-bit-output', '--out-format=%n', ...filters];
  const output = execFileSync(rsync, [...options, `${root}/`, `${root}-none/`]).toString();
  const paths = output.split('\n').map((line) => line.replace(/\/$/, ''));
  return paths.filter((path) => path !== '' && path !== '.' && !path.startsWith('created ')).sort();
}

let compared = 0;
for (let run = 1; run <= Number(runs); run++) {
  const root = mkdtempSync(join(tmpdir(), 'espalier-fuzz-'));
  randomTree(root);
  for (let set = 0; set < 10; set++) {
    const rules = randomRules();
    const expected = rsyncTakes(root, rules);
    const actual = (await scanTree(root, { rules })).manifest.map((entry) => entry.path).sort();
    compared++;
    if (JSON.stringify(actual) === JSON.stringify(expected)) continue;
    const surplus = actual.filter((path) => !expected.includes(path));
    const missing = expected.filter((path) => !actual.includes(path));
    console.error(JSON.stringify({ run, rules, surplus, missing }));
    process.exitCode = 1;
  }
  rmSync(root, { recursive: true });
}
console.log(JSON.stringify({ runs: Number(runs), seed: Number(seed), compared }));
