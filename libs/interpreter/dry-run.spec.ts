import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { dryRun } from './dry-run.js';
import { directory, file, TestAssignment } from './test-commands.js';
import { first, rejection, TestSite } from './test-site.js';

let disk: TestSite;
beforeEach(() => {
  disk = new TestSite();
});
afterEach(() => disk.remove());

it('says what an assignment would do, and does nothing', async () => {
  await disk.prepareFirst();
  const assignment = new TestAssignment()
    .remove('index.html')
    .remove('latest')
    .directory('js')
    .put('js/a', 'a')
    .setMode('css/main.css', 0o600)
    .symlink('start', 'js/a');
  const result = [
    directory('css', 0o750),
    file('css/main.css', 'body {}', 0o600),
    directory('js'),
    file('js/a', 'a'),
    { type: 'symlink', path: 'start', target: 'js/a' } as const,
  ];
  const header = assignment.header(first, result, { sequence: 2n });
  const input = { root: disk.root, site: 'www', head: { header }, data: assignment };
  const told = await dryRun({ ...input, commands: assignment.commands }, disk.ports);
  expect(told).toEqual({
    lines: [
      'change "css/main.css" 0600 7 B from the base',
      'remove "index.html"',
      'directory "js" 0755',
      'write "js/a" 0644 1 B from the assignment',
      'remove "latest"',
      'link "start" to "js/a"',
    ],
    filesWritten: 2,
    filesShared: 0,
    bytesWritten: 8,
  });
  expect(disk.names()).toEqual(['1', '1.manifest']);
});

it('refuses what would be refused, on a host that has nothing yet', async () => {
  const assignment = new TestAssignment().put('../x', 'x');
  const header = assignment.header([], [file('x', 'x')]);
  const input = { root: disk.root, site: 'www', head: { header }, data: assignment };
  const refused = await rejection(dryRun({ ...input, commands: assignment.commands }, disk.ports));
  expect(refused).toMatchObject({ reason: 'parent-component' });
  expect(existsSync(disk.path())).toBe(false);
});
