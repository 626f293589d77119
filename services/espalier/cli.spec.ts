import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const bin = fileURLToPath(new URL('../../../services/espalier/bin.mjs', import.meta.url));
const espalier = (...args: string[]) =>
  spawnSync(process.execPath, [bin, ...args], {
    encoding: 'utf8',
    // A runner that writes colours asks its children for them too.
    env: { ...process.env, NO_COLOR: '1' },
  });

test('--version says the version of the package', () => {
  const file = new URL('../../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  expect(espalier('--version')).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' });
});

test('help lists the commands by what they are for', () => {
  const { status, stdout } = espalier('--help');
  expect(status).toBe(0);
  const headings = stdout.match(/^\S.*:$/gm);
  expect(headings).toEqual(
    expect.arrayContaining(['Run:', 'Set up:', 'Distribute:', 'Versions:', 'Look:', 'Files:']),
  );
});

test('a command that does not exist is a usage error, with a guess at what was meant', () => {
  const { status, stdout, stderr } = espalier('publsh', 'www');
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain("unknown command 'publsh'");
  expect(stderr).toContain('Did you mean publish?');
});

test('without a control plane an error says what to do', () => {
  const { status, stderr } = espalier('get', 'nodes', '--url', 'http://127.0.0.1:9');
  expect(status).toBe(1);
  expect(stderr).toContain('no control plane answers at http://127.0.0.1:9');
  expect(stderr).toContain('what to do: start one with espalier up');
});
