import { BadConfiguration } from './errors.js';

/*
 * Sets one value in a YAML file of block mappings, line by line: comments, order and layout stay,
 * and the result is the same on every host. What would need more than that is refused.
 */

/** A part of the file whose lines belong to one mapping. */
interface Region {
  readonly start: number;
  readonly end: number;
  readonly indent: number;
}

interface Key {
  readonly line: number;
  /** The text up to and with the colon. */
  readonly head: string;
  readonly rest: string;
}

/** @throws BadConfiguration */
export function setYamlValue(text: string, names: readonly string[], value: unknown): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  checkLines(lines);
  const start = lines[0] === '---' ? 1 : 0;
  let region = regionOf(lines, start, lines.length, 0);
  for (const [depth, name] of names.entries()) {
    const key = findKey(lines, region, name);
    if (!key) return written(insert(lines, region, names.slice(depth), value));
    if (depth === names.length - 1) return written(replace(lines, key, region, value));
    if (bareValue(key.rest) !== '') throw bad(`${JSON.stringify(name)} is no block mapping`);
    const end = endOfChildren(lines, key.line + 1, region);
    region = regionOf(lines, key.line + 1, end, region.indent + 2);
  }
  return text;
}

const written = (lines: readonly string[]) => `${lines.join('\n')}\n`;
const bad = (problem: string) => new BadConfiguration(`the YAML file: ${problem}`);
const indentOf = (line: string) => line.length - line.trimStart().length;
const isContent = (line: string) => line.trim() !== '' && !line.trimStart().startsWith('#');

function checkLines(lines: readonly string[]): void {
  for (const [index, line] of lines.entries()) {
    if (/^ *\t/.test(line)) throw bad('it is indented with tabs');
    if (index > 0 && /^(---|\.\.\.)/.test(line)) throw bad('it has several documents');
    if (line.startsWith('%')) throw bad('it has directives');
    // Text in blocks may look like keys.
    if (/[|>][+-]?\d?\s*(#.*)?$/.test(line) && isContent(line)) throw bad('it has text in blocks');
  }
}

function regionOf(lines: readonly string[], start: number, end: number, otherwise: number): Region {
  const first = lines.slice(start, end).find(isContent);
  if (first?.trimStart().match(/^(- |-$|[[{])/)) throw bad('it has a list where names are needed');
  return { start, end, indent: first === undefined ? otherwise : indentOf(first) };
}

function findKey(lines: readonly string[], region: Region, name: string): Key | undefined {
  for (let line = region.start; line < region.end; line++) {
    const text = lines[line] ?? '';
    if (!isContent(text) || indentOf(text) !== region.indent) continue;
    const match = /^( *(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s#:][^#:]*?)) *:)(?=\s|$)(.*)$/.exec(
      text,
    );
    if (!match) continue;
    const [, head = '', double, single, plain, rest = ''] = match;
    if ((double ?? single ?? plain) === name) return { line, head, rest };
  }
  return undefined;
}

/** Lists may stand at the indentation of their key. */
function endOfChildren(lines: readonly string[], start: number, region: Region): number {
  let end = start;
  for (let line = start; line < region.end; line++) {
    const text = lines[line] ?? '';
    if (!isContent(text)) continue;
    const indent = indentOf(text);
    const inList = indent === region.indent && /^ *-( |$)/.test(text);
    if (indent <= region.indent && !inList) break;
    end = line + 1;
  }
  return end;
}

/** The value on the key's own line, without a comment. */
function bareValue(rest: string): string {
  const match = /^\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?:(?!\s#)[^\n])*?)\s*(?:\s#.*)?$/.exec(
    rest,
  );
  return match?.[1] ?? rest.trim();
}

function replace(lines: string[], key: Key, region: Region, value: unknown): string[] {
  const old = bareValue(key.rest);
  const nested = endOfChildren(lines, key.line + 1, region) > key.line + 1;
  if (nested || /^[&*!]/.test(old)) throw bad('the value is no plain one');
  if (/^[[{]/.test(old) && !/[\]}]$/.test(old)) throw bad('the value spans lines');
  const after = key.rest.slice(key.rest.indexOf(old) + old.length);
  const comment = /\s#.*$/.exec(after)?.[0] ?? '';
  return lines.with(key.line, `${key.head} ${JSON.stringify(value)}${comment}`);
}

function insert(
  lines: readonly string[],
  { start, end, indent }: Region,
  names: readonly string[],
  value: unknown,
): string[] {
  let at = end;
  while (at > start && !isContent(lines[at - 1] ?? '')) at -= 1;
  const added = names.map((name, depth) => {
    const plain = /^[A-Za-z_][\w-]*$/.test(name) ? name : JSON.stringify(name);
    const last = depth === names.length - 1;
    return `${' '.repeat(indent + 2 * depth)}${plain}:${last ? ` ${JSON.stringify(value)}` : ''}`;
  });
  return lines.toSpliced(at, 0, ...added);
}
