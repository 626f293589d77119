import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import type { FilterRule } from '#libs/delta/filter.js';

/*
 * The filters beside those of a real rsync, on random trees and rules. Names are ASCII: where rsync
 * matches a byte, the filters match a character.
 */

/** Rules by which the two take different files of a tree. */
export interface Disagreement {
  readonly rules: readonly FilterRule[];
  readonly surplus: readonly string[];
  readonly missing: readonly string[];
}

export const setsOfRules = 10;
const nameParts = ['a', 'b', 'ab', 'foo', '.c', '*', '[', '\\', '-', ']'];
const patternParts = [
  ...['a', 'b', 'foo', '.c', '/', '/', '*', '*', '**', '***', '?'],
  ...['[ab]', '[!a]', '[a-c]', '[^f]', '[[:alpha:]]', '[]a]', '[a', '\\', '\\*', '[\\]]', '-'],
];
const prefixes = ['', '', '/', '**/'];
const suffixes = ['', '', '/', '/***', '/**', '/*'];

type Random = () => number;
const pick = <T>(random: Random, choices: readonly T[]) =>
  choices[Math.floor(random() * choices.length)] as T;
const many = (random: Random, most: number) =>
  Array.from({ length: 1 + Math.floor(random() * most) });

/** One random tree by several sets of random rules, through `rsync --dry-run`. */
export async function compareWithRsync(random: Random, rsync = 'rsync'): Promise<Disagreement[]> {
  const root = mkdtempSync(join(tmpdir(), 'espalier-fuzz-'));
  const found: Disagreement[] = [];
  try {
    randomTree(random, root);
    for (let set = 0; set < setsOfRules; set++) {
      const rules = randomRules(random);
      const expected = rsyncTakes(rsync, root, rules);
      const { manifest } = await scanTree(root, { rules });
      const actual = manifest.map(({ path }) => path);
      const surplus = actual.filter((path) => !expected.includes(path));
      const missing = expected.filter((path) => !actual.includes(path));
      if (surplus.length + missing.length > 0) found.push({ rules, surplus, missing });
    }
  } finally {
    rmSync(root, { recursive: true });
  }
  return found;
}

function randomTree(random: Random, root: string): void {
  for (const _ of many(random, 25)) {
    const names = many(random, 3).map(() =>
      many(random, 2)
        .map(() => pick(random, nameParts))
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

function randomRules(random: Random): FilterRule[] {
  return many(random, 4).map(() => {
    const middle = many(random, 4).map(() => pick(random, patternParts));
    return {
      include: random() < 0.4,
      pattern: [pick(random, prefixes), ...middle, pick(random, suffixes)].join(''),
    };
  });
}

function rsyncTakes(rsync: string, root: string, rules: readonly FilterRule[]): string[] {
  const filters = rules.map(({ include, pattern }) => `--filter=${include ? '+' : '-'} ${pattern}`);
  const options = ['-r', '--dry-run', '--8-bit-output', '--out-format=%n', ...filters];
  const output = execFileSync(rsync, [...options, `${root}/`, `${root}-none/`]).toString();
  const paths = output.split('\n').map((line) => line.replace(/\/$/, ''));
  return paths.filter((path) => path !== '' && path !== '.' && !path.startsWith('created '));
}
