import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { linkAt, type NameAt, statusAt } from './linkat.js';

let root: string;
let from: number;
let to: number;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'espalier-link-'));
  mkdirSync(join(root, 'from'));
  mkdirSync(join(root, 'to'));
  from = openSync(join(root, 'from'), 'r');
  to = openSync(join(root, 'to'), 'r');
});
afterEach(() => {
  closeSync(from);
  closeSync(to);
  rmSync(root, { recursive: true });
});

const inFrom = (name: string): NameAt => ({
  directory: from,
  name,
  path: join(root, 'from', name),
});
const inTo = (name: string): NameAt => ({ directory: to, name, path: join(root, 'to', name) });

test.each(['file', 'ünïcode 😀', '-rf', ' '])('%j gets a second name', (name) => {
  writeFileSync(inFrom(name).path, 'content');
  linkAt(inFrom(name), inTo('second'));
  expect(readFileSync(inTo('second').path, 'utf8')).toBe('content');
  expect(lstatSync(inTo('second').path).ino).toBe(lstatSync(inFrom(name).path).ino);
});

test('a symbolic link itself gets it, not what it leads to', () => {
  writeFileSync(inFrom('file').path, 'content');
  symlinkSync('file', inFrom('link').path);
  linkAt(inFrom('link'), inTo('second'));
  expect(lstatSync(inTo('second').path).isSymbolicLink()).toBe(true);
});

test('a name that is taken keeps what it has, and one that is missing is told', () => {
  writeFileSync(inFrom('file').path, 'new');
  writeFileSync(inTo('taken').path, 'old');
  expect(() => linkAt(inFrom('file'), inTo('taken'))).toThrow('EEXIST');
  expect(readFileSync(inTo('taken').path, 'utf8')).toBe('old');
  expect(() => linkAt(inFrom('nothing'), inTo('second'))).toThrow('ENOENT');
  expect(() => statusAt(inFrom('nothing'))).toThrow('ENOENT');
});

test.each([
  ['file', 0o4755, 1_000_000_000.123456],
  ['before 1970', 0o600, -1.5],
  ['ünïcode 😀', 0, 5_000_000_000.999],
])('the status of %j is what Node says of it', (name, mode, seconds) => {
  writeFileSync(inFrom(name).path, name);
  chmodSync(inFrom(name).path, mode);
  utimesSync(inFrom(name).path, seconds, seconds);
  const { size: sizeBytes, mtimeMs } = lstatSync(inFrom(name).path);
  expect(statusAt(inFrom(name))).toEqual({ isFile: true, mode, sizeBytes, mtimeMs });
});

test('a directory and a link are no files', () => {
  mkdirSync(inFrom('directory').path);
  symlinkSync('/etc/passwd', inFrom('link').path);
  expect(statusAt(inFrom('directory')).isFile).toBe(false);
  expect(statusAt(inFrom('link')).isFile).toBe(false);
});
