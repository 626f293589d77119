import { appendFileSync, cpSync, existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DomainError } from '#libs/contracts/index.js';

export class SourceMissing extends DomainError {
  override readonly name = 'SourceMissing';
}

const packages = fileURLToPath(new URL('../../../../node_modules', import.meta.url));

/** A real web tree that the project's own packages bring: a component library with its styles. */
export const defaultSource = join(packages, '@mantine', 'core');

/** Copies the content into a staging directory. @throws SourceMissing */
export function fillStaging(source: string, staging: string): void {
  if (!existsSync(source) || !statSync(source).isDirectory()) {
    throw new SourceMissing(`${source} is no directory`, 'give an existing one with --source DIR');
  }
  cpSync(source, staging, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
}

/** Changes one file a little, as an author would. @returns its path and size */
export function changeOneFile(staging: string): { path: string; sizeBytes: number } {
  const files = readdirSync(staging, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, sizeBytes: statSync(path).size }));
  const texts = files.filter(({ path }) => /\.(html|css|js|mjs|md|txt)$/.test(path));
  const candidates = texts.length > 0 ? texts : files;
  const chosen = candidates.reduce((a, b) => (b.sizeBytes > a.sizeBytes ? b : a));
  appendFileSync(chosen.path, '\n/* changed by the quickstart */\n');
  return { path: relative(staging, chosen.path), sizeBytes: statSync(chosen.path).size };
}
