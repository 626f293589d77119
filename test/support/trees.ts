import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  type Dirent,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, relative, resolve } from 'node:path';

/** Path below the root -> everything of the entry that a publication must carry over. */
export type Tree = Readonly<Record<string, string>>;

/**
 * Content, kinds, modes and link targets of all that is below `root`, and the files' times in
 * milliseconds.
 */
export function treeOf(root: string): Tree {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  const pairs = entries.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [relative(root, path), describe(entry, path)] as const;
  });
  return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function describe(entry: Dirent, path: string): string {
  if (entry.isSymbolicLink()) return `link to ${readlinkSync(path)}`;
  const { mode, mtimeMs } = lstatSync(path);
  const permissions = (mode & 0o7777).toString(8);
  if (entry.isDirectory()) return `directory ${permissions}`;
  if (!entry.isFile()) return 'neither file, directory nor link';
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
  return `file ${permissions} ${Math.floor(mtimeMs)} ${digest}`;
}

/** Adds files of these texts, and the directories above them. */
export function writeFiles(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** A real package with thousands of files. */
export function copyPackage(staging: string): void {
  const source = resolve('node_modules/@mantine/core');
  cpSync(source, staging, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
}

export const largeFileBytes = 5_000_000;

/** What trees of the web seldom have and the wild always has. */
export function addOddities(staging: string): void {
  const put = (name: string, content: string | Buffer = name) =>
    writeFileSync(join(staging, name), content);
  mkdirSync(join(staging, 'empty', 'in', 'empty'), { recursive: true });
  mkdirSync(join(staging, 'grüße aus 東京', '🌳'), { recursive: true });
  put('grüße aus 東京/🌳/naïve café.txt');
  put('decomposed e\u0301.txt');
  put('composed \u00e9.txt');
  put(' blanks  and more ');
  put('line\u2028break');
  put(`"double" 'single' \`back\` $(touch x) \\ ; & | * ?`);
  put('-rf');
  put('...');
  put('.hidden');
  put('n'.repeat(255));
  put('zero', '');
  put('large.bin', randomBytes(largeFileBytes));
  put('run.sh', '#!/bin/sh\necho run\n');
  chmodSync(join(staging, 'run.sh'), 0o755);
  put('secret', 'secret\n');
  chmodSync(join(staging, 'secret'), 0o600);
  put('of 1999', 'old\n');
  utimesSync(join(staging, 'of 1999'), 946_684_799.123, 946_684_799.123);
  mkdirSync(join(staging, 'closed'), { mode: 0o700 });
  chmodSync(join(staging, 'closed'), 0o700);
  symlinkSync('run.sh', join(staging, 'link to file'));
  symlinkSync('empty/in', join(staging, 'link to directory'));
  symlinkSync('nowhere/at all', join(staging, 'dangling'));
  symlinkSync('/etc/hostname', join(staging, 'absolute'));
  symlinkSync('../../outside', join(staging, 'outward'));
}
