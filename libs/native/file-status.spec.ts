import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  fileStatus,
  isDirectory,
  isFile,
  isSymbolicLink,
  openFileStatus,
  portableStatus,
} from './file-status.js';

let root: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'espalier-status-'));
  mkdirSync(join(root, 'directory'), { mode: 0o2751 });
  for (const [name, seconds] of [
    ['file', 1_000_000_000.123456],
    ['before 1970', -1.5],
    ['ünïcode 😀', 5_000_000_000.999],
  ] as const) {
    writeFileSync(join(root, name), name);
    utimesSync(join(root, name), seconds, seconds);
  }
  symlinkSync('nowhere', join(root, 'link'));
});
afterAll(() => rmSync(root, { recursive: true }));

const paths = ['', 'directory', 'file', 'before 1970', 'ünïcode 😀', 'link', '/dev/null', '/proc'];
const at = (path: string) => (path.startsWith('/') ? path : join(root, path));

test.each(['directory', 'file', 'before 1970', '/dev/null'])(
  'an open %s has its status',
  (path) => {
    const fd = openSync(at(path), 'r');
    expect(openFileStatus(fd)).toEqual(portableStatus(at(path)));
    closeSync(fd);
    expect(() => openFileStatus(fd)).toThrow('EBADF');
  },
);

describe.each([
  ['native', fileStatus],
  ['portable', portableStatus],
])('the %s status of a path', (_, status) => {
  test.each(paths)('is what Node says of %j', (path) => {
    const stats = lstatSync(at(path));
    const { mode, dev, ino, size, mtimeMs, ctimeMs } = stats;
    const found = status(at(path));
    expect(found).toEqual({
      ...{ mode, mtimeMs, ctimeMs },
      ...{ device: dev, inode: ino, sizeBytes: size },
    });
    expect(found && [isFile(found), isDirectory(found), isSymbolicLink(found)]).toEqual([
      ...[stats.isFile(), stats.isDirectory(), stats.isSymbolicLink()],
    ]);
  });

  test('is nothing where there is nothing, and an error where nobody may look', () => {
    expect(status(at('nothing'))).toBeUndefined();
    expect(() => status(`${at('file')}\0`)).toThrow('null bytes');
    expect(() => status(at('x'.repeat(300)))).toThrow('ENAMETOOLONG');
  });
});
