import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { hasOpenat2, openBeneath } from './openat2.js';

let directory: string;
let handle: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'espalier-open-'));
  mkdirSync(join(directory, 'a/b'), { recursive: true });
  writeFileSync(join(directory, 'a/b/file'), 'content');
  symlinkSync('b', join(directory, 'a/link'));
  symlinkSync('/etc', join(directory, 'etc'));
  handle = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
});
afterEach(() => {
  closeSync(handle);
  rmSync(directory, { recursive: true });
});

test('a path below the directory is opened; links and whatever is above are refused', () => {
  const open = (path: string) => openBeneath(handle, path, constants.O_RDONLY);
  if (!hasOpenat2()) {
    expect(() => open('a/b/file')).toThrow('not available');
    return;
  }
  const opened = open('a/b/file');
  expect(fstatSync(opened).size).toBe(7);
  closeSync(opened);
  for (const [path, code] of [
    ['a/link/file', 'ELOOP'],
    ['a/link', 'ELOOP'],
    ['etc/passwd', 'ELOOP'],
    ['..', 'EXDEV'],
    ['a/../../x', 'EXDEV'],
    ['/etc/passwd', 'EXDEV'],
    ['absent', 'ENOENT'],
  ] as const) {
    expect(() => open(path)).toThrow(expect.objectContaining({ code }));
  }
});
