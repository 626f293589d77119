import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

/** In a process of its own: its stderr is what is looked at. */
const program = `
  import { logWriter } from '#libs/telemetry/adapters/log-file.js';
  const write = logWriter(process.env);
  for (const line of ['one', 'two']) write(line + '\\n');
`;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'log-file-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function stderrOf(path?: string): string {
  const env = { ...process.env, NODE_OPTIONS: '', ...(path ? { ESPALIER_LOG_FILE: path } : {}) };
  const options = ['--no-warnings', '--input-type=module', '-e', program];
  return spawnSync(process.execPath, options, { env, encoding: 'utf8' }).stderr;
}

describe('log lines', () => {
  it('go to stderr', () => {
    expect(stderrOf()).toBe('one\ntwo\n');
  });

  it('go to a file as well where one is named, after what it has, and not for everybody', () => {
    const path = join(directory, 'espalier.log');
    expect([stderrOf(path), stderrOf(path)]).toEqual(['one\ntwo\n', 'one\ntwo\n']);
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\none\ntwo\n');
    expect(statSync(path).mode & 0o007).toBe(0);
  });

  it('go on to stderr where the file cannot be written, which is said once', () => {
    const path = join(directory, 'missing', 'espalier.log');
    const lines = stderrOf(path).trimEnd().split('\n');
    expect(lines).toEqual(['one', expect.stringContaining(`${path} cannot be written`), 'two']);
  });
});
