import { type Dirent, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The first difference between two trees, in words; `undefined` when they are the same. */
export function firstDifference(wanted: string, actual: string, path = ''): string | undefined {
  const here = entries(join(wanted, path));
  const there = entries(join(actual, path));
  for (const name of there.keys()) {
    if (!here.has(name)) return `${join(path, name)} should not be there`;
  }
  for (const [name, entry] of here) {
    const below = join(path, name);
    const other = there.get(name);
    if (!other) return `${below} is missing`;
    if (kindOf(entry) !== kindOf(other)) return `${below} is a ${kindOf(other)}`;
    const difference = entryDifference(entry, wanted, actual, below);
    if (difference) return difference;
  }
  return undefined;
}

function entryDifference(entry: Dirent, wanted: string, actual: string, path: string) {
  const [a, b] = [join(wanted, path), join(actual, path)];
  if (entry.isSymbolicLink()) {
    return readlinkSync(a) === readlinkSync(b) ? undefined : `${path} points elsewhere`;
  }
  if ((statSync(a).mode & 0o777) !== (statSync(b).mode & 0o777)) return `${path} has another mode`;
  if (entry.isDirectory()) return firstDifference(wanted, actual, path);
  return readFileSync(a).equals(readFileSync(b)) ? undefined : `${path} has other content`;
}

function entries(path: string): Map<string, Dirent> {
  return new Map(readdirSync(path, { withFileTypes: true }).map((entry) => [entry.name, entry]));
}

function kindOf(entry: Dirent): string {
  if (entry.isSymbolicLink()) return 'link';
  return entry.isDirectory() ? 'directory' : 'file';
}
