import { appendFileSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Manifest } from '#libs/content-store/manifest.js';
import { PatchEncoding } from '#libs/contracts/index.js';
import { goLive } from './go-live.js';
import { file, TestAssignment } from './test-commands.js';
import { first, rejection, TestSite } from './test-site.js';
import { manifestOfTree } from './verify.js';

let disk: TestSite;

beforeEach(() => {
  disk = new TestSite();
});
afterEach(() => disk.remove());

describe('files that the application writes', () => {
  const sitePolicy = { writable: ['index.html'] };
  const second: Manifest = first.map((entry) =>
    entry.path === 'css/main.css' ? file('css/main.css', 'new') : entry,
  );
  const publishSecond = () =>
    disk.run(
      new TestAssignment().put('css/main.css', 'new'),
      [first, second],
      { sequence: 2n },
      {
        sitePolicy,
      },
    );

  beforeEach(() => disk.prepareFirst({ sitePolicy }));

  it('have an inode of their own in every version', async () => {
    await publishSecond();
    const inode = (sequence: number) => lstatSync(join(disk.version(sequence), 'index.html')).ino;
    expect(inode(1)).not.toBe(inode(2));
    expect(await manifestOfTree(disk.version(2))).toEqual(second);
  });

  it('are what was signed again in the next version, whatever was written to them', async () => {
    appendFileSync(join(disk.version(1), 'index.html'), ' and more');
    await publishSecond();
    expect(readFileSync(join(disk.version(2), 'index.html'), 'utf8')).toBe('hello');
    expect(readFileSync(join(disk.version(1), 'index.html'), 'utf8')).toBe('hello and more');
  });

  it('can be patched from what was signed', async () => {
    appendFileSync(join(disk.version(1), 'index.html'), ' and more');
    const result = first.map((entry) =>
      entry.path === 'index.html' ? file('index.html', 'hello!') : entry,
    );
    const assignment = new TestAssignment();
    const operations = [{ copyOffset: 0n, copyLength: 5n, literalLength: 1n }];
    const data = assignment.slice('!');
    const encoding = PatchEncoding.OPERATIONS;
    assignment.patch('index.html', 'index.html', 'hello!', { operations, data, encoding });
    await disk.run(assignment, [first, result], { sequence: 2n }, { sitePolicy });
    expect(await manifestOfTree(disk.version(2))).toEqual(result);
  });
});

it('versions that nobody may write to keep the signed digest', async () => {
  const sitePolicy = { versions: 'read-only', writable: ['css/*'] } as const;
  await disk.prepareFirst({ sitePolicy });
  const mode = (path: string) => lstatSync(join(disk.version(1), path)).mode & 0o777;
  expect([mode('index.html'), mode('css/main.css')]).toEqual([0o444, 0o644]);
  const assignment = new TestAssignment().put('new', 'new');
  const result = [...first, file('new', 'new')];
  const shared = await disk.run(assignment, [first, result], { sequence: 2n }, { sitePolicy });
  expect(shared).toMatchObject({ filesShared: 1, filesWritten: 2 });
});

describe('commands beyond files', () => {
  const config = '{"port":80}\n';
  const base: Manifest = [file('app.json', config)];
  const prepareBase = () => disk.run(new TestAssignment().put('app.json', config), [[], base], {});
  const setPort = (value: string) =>
    new TestAssignment().init({
      case: 'setConfiguration',
      value: { path: 'app.json', key: 'port', value },
    });

  it('set a value, and the result is what was signed', async () => {
    await prepareBase();
    const result = [file('app.json', '{"port":8080}\n')];
    await disk.run(setPort('8080'), [base, result], { sequence: 2n });
    expect(await manifestOfTree(disk.version(2))).toEqual(result);
    const wrong = disk.run(setPort('8081'), [base, result], { sequence: 3n });
    expect((await rejection(wrong)).name).toBe('WrongResult');
  });

  it('refuse a file that is not what its name says, and a value that is set twice', async () => {
    const text = [file('app.json', 'no json')];
    await disk.run(new TestAssignment().put('app.json', 'no json'), [[], text], {});
    const bad = await rejection(disk.run(setPort('1'), [text, text], { sequence: 2n }));
    expect(bad).toMatchObject({ name: 'IllegalCommand', reason: 'bad-configuration', index: 0 });
    const twice = setPort('1');
    twice.commands.push(...twice.commands);
    const refused = await rejection(disk.run(twice, [text, text], { sequence: 2n }));
    expect(refused).toMatchObject({ reason: 'duplicate', index: 1 });
  });

  it.each([
    ['by name, once the version is live', []],
    ['only once where its own policy names them too', ['restart']],
  ])('run hooks that the host allows, %s', async (_, afterSwitch) => {
    const ran: string[] = [];
    const hook = { command: ['/restart'], timeoutMs: 1 };
    const programs = {
      runHook: async ({ command }: typeof hook) => void ran.push(...command),
      probe: async () => undefined,
    };
    disk.ports = { ...disk.ports, programs: programs as never };
    const assignment = new TestAssignment()
      .put('app.json', config)
      .init({ case: 'runHook', value: { name: 'restart' } });
    const sitePolicy = { hooks: { restart: hook }, afterSwitch };
    const refused = await rejection(disk.run(assignment, [[], base], {}));
    expect(refused).toMatchObject({ reason: 'unknown-hook' });
    await disk.run(assignment, [[], base], {}, { sitePolicy });
    expect(ran).toEqual([]);
    await goLive({ root: disk.root, site: 'www', sequence: 1, sitePolicy }, disk.ports);
    expect(ran).toEqual(['/restart']);
  });
});
