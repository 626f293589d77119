import { chmodSync, lstatSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import { switchTo } from './switch.js';
import { file, sha256, TestAssignment, testTimeMs } from './test-commands.js';
import { first, rejection, TestSite } from './test-site.js';
import { digestOfTree } from './verify.js';

let disk: TestSite;

beforeEach(() => {
  disk = new TestSite();
});
afterEach(() => disk.remove());

describe('a preparation that fails', () => {
  async function expectUntouched(error: Error, name: string) {
    expect(error.name).toBe(name);
    expect(disk.names()).toEqual(['1', '1.manifest']);
    expect(await digestOfTree(disk.path('live/.'))).toBe(treeDigest(first));
  }

  beforeEach(async () => {
    await disk.prepareFirst();
    await switchTo({ root: disk.root, site: 'www', sequence: 1 }, disk.ports);
  });

  const withNew = (entry = file('new', 'new')): Manifest => [...first, entry];

  it('leaves nothing when a file has other bytes than signed', async () => {
    const assignment = new TestAssignment().put('new', 'bad', { digest: sha256('new') });
    const error = await rejection(disk.run(assignment, [first, withNew()], { sequence: 2n }));
    await expectUntouched(error, 'WrongContent');
    expect(readFileSync(disk.path('journal'), 'utf8')).toContain('"FAILED"');
  });

  it.each([
    ['shorter', 'ne'],
    ['longer', 'news'],
  ])('leaves nothing when the content is %s than declared', async (_, content) => {
    const assignment = new TestAssignment().put('new', 'new');
    assignment.read = async () => Buffer.from(content);
    const error = await rejection(disk.run(assignment, [first, withNew()], { sequence: 2n }));
    await expectUntouched(error, 'WrongContent');
  });

  it('leaves nothing when the data cannot be read', async () => {
    const assignment = new TestAssignment().put('a', 'a').put('new', 'new');
    assignment.read = async () => {
      throw new RangeError('no such block');
    };
    const result = [file('a', 'a'), ...withNew()];
    const error = await rejection(disk.run(assignment, [first, result], { sequence: 2n }));
    await expectUntouched(error, 'RangeError');
  });

  it.each([
    ['ENOSPC', 'DiskFull'],
    ['EDQUOT', 'QuotaExceeded'],
    ['EROFS', 'ReadOnlyDisk'],
    ['EIO', 'DiskFailure'],
  ])('leaves nothing when the disk says %s, and names it', async (code, name) => {
    const failure = Object.assign(new Error(code), { code, syscall: 'syncfs' });
    disk.ports = { ...disk.ports, syncFilesystem: () => Promise.reject(failure) };
    const assignment = new TestAssignment().put('new', 'new');
    const error = await rejection(disk.run(assignment, [first, withNew()], { sequence: 2n }));
    await expectUntouched(error, name);
  });

  it('is refused at once when the disk has not the room that is declared', async () => {
    const assignment = new TestAssignment().put('new', 'new');
    const header = { sequence: 2n, diskNeededBytes: 2n ** 62n };
    await expectUntouched(
      await rejection(disk.run(assignment, [first, withNew()], header)),
      'DiskFull',
    );
  });

  it('notices that a file of the base was changed on disk', async () => {
    chmodSync(join(disk.version(1), 'index.html'), 0o666);
    const assignment = new TestAssignment().put('new', 'new');
    const error = await rejection(disk.run(assignment, [first, withNew()], { sequence: 2n }));
    expect(error.name).toBe('DamagedBase');
    expect(disk.names()).toEqual(['1', '1.manifest']);
  });

  it('notices changed bytes of the base when it copies them', async () => {
    const path = join(disk.version(1), 'index.html');
    writeFileSync(path, 'HELLO');
    const result = first.map((entry) =>
      entry.path === 'index.html' ? file('index.html', 'hello', 0o600) : entry,
    );
    const assignment = new TestAssignment().setMode('index.html', 0o600);
    const error = await rejection(disk.run(assignment, [first, result], { sequence: 2n }));
    expect(error.name).toBe('DamagedBase');
    expect(readFileSync(path, 'utf8')).toBe('HELLO');
    expect(disk.names()).toEqual(['1', '1.manifest']);
  });

  it('is refused when the base is a tree that is not here', async () => {
    const strange = [file('strange', 'x')];
    const assignment = new TestAssignment().put('new', 'new');
    const error = await rejection(disk.run(assignment, [strange, withNew()], { sequence: 2n }));
    expect(error).toMatchObject({ reason: 'wrong-base' });
  });

  it.each([
    ['for another site', { site: 'shop' }, 'out-of-scope'],
    ['for other servers', { scope: { nodes: ['b', 'c'] } }, 'out-of-scope'],
    ['expired', { expiresAtMs: 4999n }, 'expired'],
    ['older than what was live', { sequence: 0n }, 'replayed'],
  ])('is refused when it is %s', async (_, header, reason) => {
    const assignment = new TestAssignment().put('new', 'new');
    const fields = { sequence: 2n, ...header };
    const action = disk.run(assignment, [first, withNew()], fields, { node: 'a' });
    expect(await rejection(action)).toMatchObject({ name: 'AssignmentRefused', reason });
  });

  it.each([
    ['another command set', { agentType: 'windows/1' }],
    ['several parts', { parts: 2 }],
  ])('is refused when it needs %s', async (_, header) => {
    const assignment = new TestAssignment().put('new', 'new');
    const action = disk.run(assignment, [first, withNew()], { sequence: 2n, ...header });
    expect((await rejection(action)).name).toBe('UnsupportedAssignment');
  });

  it('leaves the live inode alone when only mode or time change', async () => {
    const before = statSync(join(disk.version(1), 'index.html'));
    const result = first.map((entry) =>
      entry.path === 'index.html' ? { ...entry, mtimeMs: testTimeMs + 7 } : entry,
    ) as Manifest;
    const assignment = new TestAssignment().setTimes('index.html', testTimeMs + 7);
    await disk.run(assignment, [first, result], { sequence: 2n });
    const after = lstatSync(join(disk.version(2), 'index.html'));
    expect(after.ino).not.toBe(before.ino);
    expect(await digestOfTree(disk.version(1))).toBe(treeDigest(first));
    expect(await digestOfTree(disk.version(2))).toBe(treeDigest(result));
  });
});

it('refuses a site whose name is no plain directory name', async () => {
  for (const site of ['..', '.', '', 'a/b', '/etc', 'a\0b']) {
    const assignment = new TestAssignment().put('a', 'a');
    const action = disk.run(assignment, [[], [file('a', 'a')]], { site }, { site });
    expect((await rejection(action)).name).toBe('UnsafeDirectory');
  }
});
