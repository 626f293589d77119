import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { emptyManifest, type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import { PatchEncoding } from '#libs/contracts/index.js';
import { removeTree } from './adapters/removal.js';
import { readSiteState } from './recover.js';
import { directory, file, symlink, TestAssignment, testTimeMs } from './test-commands.js';
import { first, rejection, TestSite } from './test-site.js';
import { digestOfTree, manifestOfTree } from './verify.js';

let disk: TestSite;

beforeEach(() => {
  disk = new TestSite();
});
afterEach(() => disk.remove());

describe('preparing a version', () => {
  it('builds exactly the signed tree beside what is live, and flushes once', async () => {
    const prepared = await disk.prepareFirst();
    expect(prepared).toEqual({
      sequence: 1,
      treeDigest: treeDigest(first),
      filesWritten: 2,
      filesShared: 0,
      bytesWritten: 12,
    });
    expect(await manifestOfTree(disk.version(1))).toEqual(first);
    expect(disk.names()).toEqual(['1', '1.manifest']);
    expect(disk.synced).toHaveLength(1);
    expect(readSiteState({ root: disk.root, site: 'www' })).toEqual({
      live: undefined,
      backup: undefined,
      prepared: [{ sequence: 1, treeDigest: treeDigest(first) }],
    });
  });

  it('shares unchanged files with the base and writes the others anew', async () => {
    await disk.prepareFirst();
    const second = [
      directory('css', 0o755),
      file('css/main.css', 'body {}', 0o600),
      file('hello.html', 'hello'),
      file('index.html', 'hello world'),
      symlink('latest', 'hello.html'),
    ];
    const assignment = new TestAssignment()
      .setMode('css', 0o755)
      .setMode('css/main.css', 0o600)
      .copy('hello.html', 'index.html')
      .put('index.html', 'hello world')
      .symlink('latest', 'hello.html');
    const counts = await disk.run(assignment, [first, second], { sequence: 2n });
    expect(counts).toMatchObject({ filesWritten: 2, filesShared: 1, bytesWritten: 18 });
    expect(await manifestOfTree(disk.version(2))).toEqual(second);
    expect(await manifestOfTree(disk.version(1))).toEqual(first);
  });

  it('shares files whose times have fractions of a millisecond, unlike manifests', async () => {
    await disk.prepareFirst();
    const time = (testTimeMs + 0.9) / 1000;
    utimesSync(join(disk.version(1), 'index.html'), time, time);
    const second = [file('copy.html', 'hello'), ...first];
    const assignment = new TestAssignment().copy('copy.html', 'index.html');
    const counts = await disk.run(assignment, [first, second], { sequence: 2n });
    expect(counts).toMatchObject({ filesWritten: 0 });
  });

  it('patches from ranges of the base and literals, and through the decoder', async () => {
    await disk.prepareFirst();
    const second = [
      directory('css', 0o750),
      file('css/main.css', 'decoded'),
      file('index.html', 'llo, hello!'),
      symlink('latest', 'index.html'),
    ];
    const assignment = new TestAssignment();
    const operations = [
      { copyOffset: 2n, copyLength: 3n, literalLength: 2n },
      { copyOffset: 0n, copyLength: 5n, literalLength: 1n },
    ];
    const data = assignment.slice(', !');
    assignment.patch('index.html', 'index.html', 'llo, hello!', { operations, data });
    const frame = assignment.slice('frame');
    const encoding = PatchEncoding.ZSTD_PREFIX;
    assignment.patch('css/main.css', 'css/main.css', 'decoded', { encoding, data: frame });
    await disk.run(assignment, [first, second], { sequence: 2n });
    expect(await manifestOfTree(disk.version(2))).toEqual(second);
  });

  it('writes nothing when repeated and refuses another tree of that number', async () => {
    await disk.prepareFirst();
    expect(await disk.prepareFirst()).toMatchObject({
      filesWritten: 0,
      treeDigest: treeDigest(first),
    });
    const other = new TestAssignment().put('a', 'a');
    const error = await rejection(disk.run(other, [emptyManifest, [file('a', 'a')]]));
    expect(error).toMatchObject({ name: 'AssignmentRefused', reason: 'replayed' });
    expect(await manifestOfTree(disk.version(1))).toEqual(first);
  });

  it('removes what a crash left under the same number', async () => {
    await disk.prepareFirst();
    rmSync(disk.path('journal'));
    writeFileSync(join(disk.version(1), 'strange'), 'x');
    await disk.prepareFirst();
    expect(await manifestOfTree(disk.version(1))).toEqual(first);
  });

  it('keeps exact times and modes, before 1970 too', async () => {
    const times = [-1001, -1, 0, 1, 999, 1_700_000_000_999, 2_147_483_647_000];
    const entries = times.map((mtimeMs, index) => ({
      ...file(`f${index}`, ''),
      mtimeMs,
      mode: 0o400 + index,
    })) as Manifest;
    const assignment = new TestAssignment();
    for (const [index, mtimeMs] of times.entries()) {
      assignment.put(`f${index}`, '', { mtimeMs: BigInt(mtimeMs), mode: 0o400 + index });
    }
    await disk.run(assignment, [emptyManifest, entries]);
    expect(await manifestOfTree(disk.version(1))).toEqual(entries);
  });

  it('builds directories that deny their owner to write, and can remove them', async () => {
    const tree = [directory('d', 0o555), file('d/f', 'x', 0o444)];
    await disk.run(new TestAssignment().directory('d', 0o555).put('d/f', 'x', { mode: 0o444 }), [
      emptyManifest,
      tree,
    ]);
    expect(await digestOfTree(disk.version(1))).toBe(treeDigest(tree));
    await removeTree(disk.version(1));
    expect(disk.names()).toEqual(['1.manifest']);
  });

  it('writes files larger than one piece', async () => {
    const content = Buffer.alloc(1_000_003, 'abc');
    const tree = [file('big', content)];
    await disk.run(new TestAssignment().put('big', content), [emptyManifest, tree]);
    expect(await digestOfTree(disk.version(1))).toBe(treeDigest(tree));
  });
});
