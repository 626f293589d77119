import { isDeepStrictEqual } from 'node:util';
import { BadConfiguration } from './errors.js';
import { setYamlValue } from './set-yaml-value.js';

/** The formats of files in which single values can be set. */
export type ConfigurationFormat = 'json' | 'yaml' | 'ini' | 'env';

/** Files larger than this are no configuration. */
export const maxConfigurationBytes = 1_048_576;
const maxKeyDepth = 64;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are refused
const controlCharacter = /[\u0000-\u001f\u007f]/;
const loneSurrogate = /\p{Surrogate}/u;
const formats: Readonly<Record<string, ConfigurationFormat>> = {
  json: 'json',
  yaml: 'yaml',
  yml: 'yaml',
  ini: 'ini',
  cfg: 'ini',
  conf: 'ini',
  env: 'env',
};

/** The format that a file's name says; undefined for a file that is no configuration. */
export function configurationFormat(path: string): ConfigurationFormat | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  const extension = name.slice(name.lastIndexOf('.') + 1);
  return Object.hasOwn(formats, extension) ? formats[extension] : undefined;
}

/** Why no value can be set under `key`, whatever the file contains; undefined when it can. */
export function configurationProblem(
  format: ConfigurationFormat,
  key: string,
  value: string,
): string | undefined {
  if (controlCharacter.test(key) || controlCharacter.test(value)) return 'a control character';
  if (loneSurrogate.test(key) || loneSurrogate.test(value)) return 'half a character';
  const names = keyNames(format, key);
  if (names.length > maxKeyDepth || names.some((name) => name === '')) return 'an empty name';
  if (names.some((name) => name === '__proto__')) return 'a name that is reserved';
  if (format === 'env' && !/^[A-Za-z_]\w*$/.test(key)) return 'no name of a variable';
  if (format === 'ini' && /[[\]=;#]/.test(key)) return 'no name of a setting';
  return undefined;
}

/**
 * The file's text with one value set; everything else stays as it is. JSON and YAML take the value
 * as JSON where it is JSON, else as text, and the key as names with dots between them, or as a JSON
 * pointer; INI takes `section.name` or `name`. The same on every host: results are signed.
 * @throws BadConfiguration
 */
export function setConfigurationValue(
  format: ConfigurationFormat,
  text: string,
  key: string,
  value: string,
): string {
  const problem = configurationProblem(format, key, value);
  if (problem) throw new BadConfiguration(`the key ${JSON.stringify(key)} has ${problem}`);
  const names = keyNames(format, key);
  switch (format) {
    case 'json':
      return setJsonValue(text, names, value);
    case 'yaml':
      return setYamlValue(text, names, jsonOrText(value));
    case 'ini':
      return setIniValue(text, names, value);
    case 'env':
      return setEnvironmentValue(text, key, value);
  }
}

function keyNames(format: ConfigurationFormat, key: string): string[] {
  if (format === 'env') return [key];
  if (format === 'ini') {
    const dot = key.lastIndexOf('.');
    return dot < 0 ? [key] : [key.slice(0, dot), key.slice(dot + 1)];
  }
  if (!key.startsWith('/')) return key.split('.');
  return key
    .slice(1)
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function jsonOrText(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function setJsonValue(text: string, names: readonly string[], value: string): string {
  // Such numbers would come out as others.
  if (/(?<![\w."])-?\d{16,}(?!["\w])/.test(text)) {
    throw new BadConfiguration('the file has numbers of 16 digits or more');
  }
  const root = parseJson(text);
  let at: unknown = root;
  for (const name of names.slice(0, -1)) {
    const container = containerOf(at, name);
    if (container[name] === undefined) container[name] = {};
    at = container[name];
  }
  const last = names.at(-1) ?? '';
  const container = containerOf(at, last);
  const wanted = jsonOrText(value);
  // The layout of a file that has the value stays.
  if (Object.hasOwn(container, last) && isDeepStrictEqual(container[last], wanted)) return text;
  container[last] = wanted;
  const indent = /\n([ \t]+)\S/.exec(text)?.[1] ?? (text.includes('\n{') ? 2 : '');
  return JSON.stringify(root, null, indent) + (text.endsWith('\n') ? '\n' : '');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BadConfiguration('the file is not JSON', { cause });
  }
}

/** Only what the file itself has: nothing is reached through prototypes. */
function containerOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) {
    throw new BadConfiguration(`there is no object for ${JSON.stringify(name)}`);
  }
  if (Array.isArray(value)) {
    const index = /^(0|[1-9]\d{0,8})$/.test(name) ? Number(name) : Number.NaN;
    if (!(index <= value.length)) {
      throw new BadConfiguration(`${JSON.stringify(name)} is no place in the list`);
    }
  } else if (!Object.hasOwn(value, name) && name in value) {
    throw new BadConfiguration(`${JSON.stringify(name)} is a reserved name`);
  }
  return value as Record<string, unknown>;
}

function setIniValue(text: string, names: readonly string[], value: string): string {
  const name = names.at(-1) ?? '';
  const section = names.length > 1 ? names[0] : undefined;
  const lines = text.split('\n');
  const header = (line: string) => /^\s*\[(.*)\]\s*(?:[;#].*)?$/.exec(line)?.[1]?.trim();
  const start = section === undefined ? 0 : lines.findIndex((line) => header(line) === section) + 1;
  if (section !== undefined && start === 0) {
    const before = text === '' || text.endsWith('\n') ? text : `${text}\n`;
    return `${before}[${section}]\n${name} = ${value}\n`;
  }
  const next = lines.findIndex((line, index) => index >= start && header(line) !== undefined);
  const end = next < 0 ? lines.length : next;
  for (let index = start; index < end; index++) {
    const match = /^(\s*([^=;#\s][^=]*?)\s*=\s*)/.exec(lines[index] ?? '');
    if (match?.[2] !== name) continue;
    lines[index] = `${match[1]}${value}`;
    return lines.join('\n');
  }
  let last = end;
  while (last > start && lines[last - 1]?.trim() === '') last -= 1;
  lines.splice(last, 0, `${name} = ${value}`);
  return lines.join('\n') + (text === '' ? '\n' : '');
}

function setEnvironmentValue(text: string, key: string, value: string): string {
  const plain = /^[\w./:@%+,-]*$/.test(value);
  const written = plain ? value : `"${value.replace(/[\\"$`]/g, '\\$&')}"`;
  const lines = text.split('\n');
  const index = lines.findLastIndex((line) => /^\s*(?:export\s+)?(\w+)=/.exec(line)?.[1] === key);
  if (index < 0) {
    const before = text === '' || text.endsWith('\n') ? text : `${text}\n`;
    return `${before}${key}=${written}\n`;
  }
  const prefix = /^\s*(?:export\s+)?\w+=/.exec(lines[index] ?? '')?.[0];
  lines[index] = `${prefix}${written}`;
  return lines.join('\n');
}
