import { type Manifest, sortByPath, type TreeEntry } from '#libs/content-store/manifest.js';
import { UnsupportedAssignment } from './errors.js';
import { type FileStep, originOf, type Step } from './plan.js';

/*
 * The commands of a version in the words of a POSIX shell with GNU core utilities and findutils.
 * Names are never anything but quoted arguments that begin with "./".
 */

/** A script, and the files whose content it reads from its standard input, in this order. */
export interface ScriptPart {
  readonly script: string;
  readonly contents: readonly FileStep[];
}

/** An argument of a command may have 128 KiB. */
const longestScript = 60_000;

export const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Ends at the first command that fails. */
export const inDirectory = (directory: string, ...lines: readonly string[]): string =>
  ['set -eu', 'umask 077', `cd ${quote(directory)}`, ...lines].join('\n');

/**
 * Makes the entries of a version in its directory. Directories get their modes last.
 * @param base the directory of the version to start from, relative to the new one
 * @throws UnsupportedAssignment for a file that is made of a difference
 */
export function versionScripts(
  directory: string,
  base: string,
  steps: readonly Step[],
): ScriptPart[] {
  const parts: ScriptPart[] = [];
  let lines: string[] = [];
  let contents: FileStep[] = [];
  let length = 0;
  const flush = () => {
    if (lines.length > 0) parts.push({ script: inDirectory(directory, ...lines), contents });
    [lines, contents, length] = [[], [], 0];
  };
  const modes = steps.flatMap(({ entry }) =>
    entry.type === 'directory' ? [`chmod ${mode(entry)} -- ${here(entry.path)}`] : [],
  );
  for (const { text, content } of [
    ...steps.map((step) => stepLine(step, base)),
    ...modes.reverse().map((text) => ({ text, content: undefined })),
  ]) {
    if (length + text.length > longestScript) flush();
    lines.push(text);
    length += text.length + 1;
    if (content) contents.push(content);
  }
  flush();
  return parts;
}

function stepLine(step: Step, base: string): { text: string; content?: FileStep | undefined } {
  const { entry } = step;
  if (entry.type === 'directory') return { text: `mkdir -- ${here(entry.path)}` };
  if (entry.type === 'symlink') {
    return { text: `ln -s -- ${quote(entry.target)} ${here(entry.path)}` };
  }
  const fileStep = step as FileStep;
  const path = here(entry.path);
  const status = `chmod ${mode(entry)} -- ${path}; touch -m -d ${at(entry.mtimeMs)} -- ${path}`;
  if (fileStep.kind === 'share')
    return { text: `ln -- ${quote(`${base}/${fileStep.base.path}`)} ${path}` };
  const origin = originOf(fileStep);
  switch (origin.kind) {
    case 'base':
      return { text: `cp -- ${quote(`${base}/${origin.file.path}`)} ${path}; ${status}` };
    case 'data':
      if (entry.sizeBytes === 0) return { text: `: > ${path}; ${status}` };
      return { text: `head -c ${entry.sizeBytes} > ${path}; ${status}`, content: fileStep };
    default:
      throw new UnsupportedAssignment(
        `${JSON.stringify(entry.path)} is made of a difference, which a shell cannot do`,
      );
  }
}

/** Says all that a tree is: six fields for each entry, then the digests of files. */
export const listing = [
  String.raw`find . -mindepth 1 -printf '%y\0%m\0%s\0%T@\0%P\0%l\0'`,
  String.raw`printf '\0'`,
  'find . -type f -exec sha256sum -z -- {} +',
].join('\n');

/** What `listing` said, as a manifest. */
export function treeOfListing(said: Buffer): Manifest {
  const text = said.toString('utf8');
  const fields = text.split('\0');
  const entries: (TreeEntry & { digest?: string })[] = [];
  let index = 0;
  for (; fields[index] !== '' && index + 6 <= fields.length; index += 6) {
    const [kind, octal = '', size, seconds, path = '', target = ''] = fields.slice(
      index,
      index + 6,
    );
    const bits = Number.parseInt(octal, 8);
    if (kind === 'd') entries.push({ type: 'directory', path, mode: bits });
    else if (kind === 'l') entries.push({ type: 'symlink', path, target });
    else {
      const mtimeMs = Math.round(Number(seconds) * 1_000);
      const file = { path, mode: bits, sizeBytes: Number(size), mtimeMs, digest: '' };
      entries.push({ type: 'file', ...file });
    }
  }
  const digests = new Map(
    fields.slice(index + 1).map((line) => [line.slice(66 + './'.length), line.slice(0, 64)]),
  );
  return sortByPath(
    entries.map((entry) =>
      entry.type === 'file' ? { ...entry, digest: digests.get(entry.path) ?? '' } : entry,
    ),
  );
}

const here = (path: string): string => quote(`./${path}`);
const mode = (entry: { readonly mode: number }): string => entry.mode.toString(8).padStart(4, '0');

/** The argument of `touch -d`, to the millisecond. */
function at(mtimeMs: number): string {
  const seconds = Math.floor(mtimeMs / 1_000);
  return `@${seconds}.${String(mtimeMs - seconds * 1_000).padStart(3, '0')}`;
}
