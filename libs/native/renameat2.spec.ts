import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { canExchange, exchangePaths } from './renameat2.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'espalier-exchange-'));
  for (const name of ['one', 'other']) {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, `in-${name}`), '');
  }
});
afterEach(() => rmSync(directory, { recursive: true }));

test('two directories that are not empty change places', () => {
  const exchange = () => exchangePaths(join(directory, 'one'), join(directory, 'other'));
  if (!canExchange()) {
    expect(exchange).toThrow(expect.objectContaining({ code: 'ENOSYS' }));
    return;
  }
  exchange();
  expect(readdirSync(join(directory, 'one'))).toEqual(['in-other']);
  expect(readdirSync(join(directory, 'other'))).toEqual(['in-one']);
});

test('a name that is not there is reported and nothing moves', () => {
  const code = canExchange() ? 'ENOENT' : 'ENOSYS';
  const exchange = () => exchangePaths(join(directory, 'one'), join(directory, 'absent'));
  expect(exchange).toThrow(expect.objectContaining({ code }));
  expect(readdirSync(join(directory, 'one'))).toEqual(['in-one']);
});
