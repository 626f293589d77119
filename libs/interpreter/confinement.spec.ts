import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { canExchange } from '#libs/native/renameat2.js';
import { ConfinedTree, type Confinement, confinement } from './adapters/confined-tree.js';
import { removeTree } from './adapters/removal.js';
import { directory, file, TestAssignment } from './test-commands.js';
import { TestSite } from './test-site.js';
import { digestOfTree } from './verify.js';

const strongest = confinement();
const ways = (['openat2', 'handles', 'paths'] as const).filter(
  (way) => way === 'paths' || way === strongest || strongest === 'openat2',
);

describe.each<Confinement>(ways)('a tree confined by %s', (way) => {
  let root: string;
  let tree: ConfinedTree;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'confined-'));
    mkdirSync(join(root, 'site/a/b'), { recursive: true });
    mkdirSync(join(root, 'outside/b'), { recursive: true });
    tree = new ConfinedTree(join(root, 'site'), way);
  });
  afterEach(() => {
    tree.close();
    rmSync(root, { recursive: true });
  });

  it('reaches what is in it', () => {
    writeFileSync(tree.entry('a/b/f'), 'deep');
    writeFileSync(tree.entry('f'), 'top');
    expect(readFileSync(join(root, 'site/a/b/f'), 'utf8')).toBe('deep');
    expect(readFileSync(join(root, 'site/f'), 'utf8')).toBe('top');
  });

  it.each([
    ['in the middle', 'a', 'a/b/f'],
    ['at the end', 'a/b', 'a/b/f'],
  ])('refuses a link %s', (_, link, path) => {
    rmSync(join(root, 'site', link), { recursive: true });
    symlinkSync(join(root, 'outside', link === 'a' ? '' : 'b'), join(root, 'site', link));
    expect(() => tree.entry(path)).toThrow(expect.objectContaining({ name: 'UnsafeDirectory' }));
  });

  it('keeps more directories than it has handles for', () => {
    for (let number = 0; number < 200; number++) mkdirSync(tree.entry(`d${number}`));
    for (let number = 0; number < 200; number++) writeFileSync(tree.entry(`d${number}/f`), '');
    expect(readdirSync(join(root, 'site'))).toHaveLength(201);
  });

  it('is no link itself', () => {
    symlinkSync(join(root, 'site'), join(root, 'link'));
    expect(() => new ConfinedTree(join(root, 'link'), way)).toThrow('is a link');
  });

  it('does not follow a directory that becomes a link after it was opened', () => {
    if (way === 'paths') return;
    writeFileSync(tree.entry('a/b/f'), '1');
    renameSync(join(root, 'site/a'), join(root, 'site/was-a'));
    symlinkSync(join(root, 'outside'), join(root, 'site/a'));
    writeFileSync(tree.entry('a/b/g'), '2');
    expect(readdirSync(join(root, 'outside/b'))).toEqual([]);
    expect(readFileSync(join(root, 'site/was-a/b/g'), 'utf8')).toBe('2');
  });
});

it('a process that flips directories to links meanwhile changes nothing outside', async () => {
  if (!canExchange()) return;
  const disk = new TestSite();
  const outside = mkdtempSync(join(tmpdir(), 'outside-'));
  for (let number = 0; number < 10; number++) mkdirSync(join(outside, `d${number}`));
  writeFileSync(join(outside, 'secret'), 'secret');
  const before = await digestOfTree(outside);
  const child = fileURLToPath(new URL('./test-flipper-child.js', import.meta.url));
  const flipper = fork(child, [disk.path('versions'), outside]);
  await once(flipper, 'message');
  const outcomes: string[] = [];
  const assignment = new TestAssignment();
  const entries = [];
  for (let d = 0; d < 10; d++) {
    assignment.directory(`d${d}`);
    entries.push(directory(`d${d}`));
    for (let f = 0; f < 30; f++) {
      assignment.put(`d${d}/f${f}`, 'content');
      entries.push(file(`d${d}/f${f}`, 'content'));
    }
  }
  entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  for (let round = 1; round <= 15; round++) {
    const run = disk.run(assignment, [[], entries], { sequence: BigInt(round) });
    outcomes.push(
      await run.then(
        () => 'prepared',
        (error: Error) => error.name,
      ),
    );
  }
  flipper.kill('SIGKILL');
  expect(await digestOfTree(outside)).toBe(before);
  expect(outcomes).toHaveLength(15);
  await disk.remove();
  await removeTree(outside);
  expect(existsSync(outside)).toBe(false);
});
