import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { comparePaths } from '#libs/content-store/manifest.js';
import {
  FileChangedWhileRead,
  NameNotUtf8,
  PathTooLong,
  StagingNotADirectory,
  StagingNotFound,
  UnreadableFile,
  UnsupportedFileType,
} from '../scan-errors.js';
import { scanTree } from './scan-tree.js';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'espalier-scan-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const at = (path: string) => join(root, path);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const scan = () => scanTree(root, { rules: [] });

describe('a scan', () => {
  test('describes files, directories and links in the order of manifests', async () => {
    mkdirSync(at('b'), { mode: 0o750 });
    chmodSync(at('b'), 0o2750);
    writeFileSync(at('b/é.txt'), 'hello');
    chmodSync(at('b/é.txt'), 0o4640);
    utimesSync(at('b/é.txt'), 1_234.5678, 1_234.5678);
    symlinkSync('nowhere/ü', at('b-link'));
    writeFileSync(at('a'), '');
    chmodSync(at('a'), 0o600);
    utimesSync(at('a'), 2, 2);
    const { manifest, filesRead, bytesRead } = await scan();
    expect(manifest).toEqual([
      { type: 'file', path: 'a', mode: 0o600, sizeBytes: 0, mtimeMs: 2000, digest: sha256('') },
      { type: 'directory', path: 'b', mode: 0o750 },
      { type: 'symlink', path: 'b-link', target: 'nowhere/ü' },
      {
        type: 'file',
        path: 'b/é.txt',
        mode: 0o640,
        sizeBytes: 5,
        mtimeMs: 1_234_567,
        digest: sha256('hello'),
      },
    ]);
    expect([filesRead, bytesRead]).toEqual([2, 5]);
  });

  test('follows a link to the staging directory, no link within', async () => {
    mkdirSync(at('real'));
    mkdirSync(at('real/dir'));
    writeFileSync(at('real/dir/a'), 'a');
    symlinkSync('dir', at('real/link'));
    symlinkSync('real', at('staging'));
    const { root: found, manifest } = await scanTree(at('staging'), { rules: [] });
    expect(found.endsWith('/real')).toBe(true);
    expect(manifest.map((entry) => `${entry.type} ${entry.path}`)).toEqual([
      'directory dir',
      'file dir/a',
      'symlink link',
    ]);
  });

  test('reads large files in pieces', async () => {
    const content = 'abcdefg'.repeat(500_000);
    for (const name of ['a', 'b', 'c']) writeFileSync(at(name), content);
    const { manifest } = await scanTree(root, { rules: [], concurrency: 2 });
    const digests = manifest.map((entry) => entry.type === 'file' && entry.digest);
    expect(digests).toEqual([sha256(content), sha256(content), sha256(content)]);
  });

  test('does not look into an excluded directory', async () => {
    mkdirSync(at('drop'));
    writeFileSync(at('drop/a'), 'a');
    writeFileSync(at('a'), 'a');
    const rules = [
      { include: false, pattern: 'drop/' },
      { include: true, pattern: 'drop/a' },
    ];
    const { manifest } = await scanTree(root, { rules });
    expect(manifest.map((entry) => entry.path)).toEqual(['a']);
  });

  test('sorts many names by their bytes', async () => {
    const names = ['a', 'a-', 'a.b', 'aé', 'a\uffee', 'a😀', 'B', 'é'];
    for (const name of names) writeFileSync(at(name), name);
    mkdirSync(at('a_'));
    writeFileSync(at('a_/x'), '');
    const paths = (await scan()).manifest.map((entry) => entry.path);
    expect(paths).toEqual([...names, 'a_', 'a_/x'].sort(comparePaths));
  });

  test('of an empty directory is empty', async () => {
    expect((await scan()).manifest).toEqual([]);
  });
});

describe('a scan refuses', () => {
  test('a staging directory that is missing, or a file', async () => {
    await expect(scanTree(at('none'), { rules: [] })).rejects.toThrow(StagingNotFound);
    await expect(scanTree(at('none'), { rules: [] })).rejects.toThrow(at('none'));
    writeFileSync(at('file'), '');
    await expect(scanTree(at('file'), { rules: [] })).rejects.toThrow(StagingNotADirectory);
  });

  test('names and link targets that are not UTF-8', async () => {
    const name = Buffer.concat([Buffer.from(`${root}/bad-`), Buffer.from([0xe9])]);
    writeFileSync(name, '');
    await expect(scan()).rejects.toThrow(NameNotUtf8);
    await expect(scan()).rejects.toThrow('bad-\\xe9');
    unlinkSync(name);
    symlinkSync(Buffer.from([0x61, 0xff]), at('link'));
    await expect(scan()).rejects.toThrow(`${at('link')} has a name or link target`);
  });

  test('pipes and sockets, unless they are excluded', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    await expect(scan()).rejects.toThrow(UnsupportedFileType);
    await expect(scan()).rejects.toThrow(`${at('pipe')} is a pipe`);
    const rules = [{ include: false, pattern: 'pipe' }];
    expect((await scanTree(root, { rules })).manifest).toEqual([]);
    unlinkSync(at('pipe'));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(at('socket'), resolve));
    await expect(scan()).rejects.toThrow(`${at('socket')} is a socket`);
    await new Promise((resolve) => server.close(resolve));
  });

  test('devices', async () => {
    const rules = [
      { include: true, pattern: '/null' },
      { include: false, pattern: '*' },
    ];
    await expect(scanTree('/dev', { rules })).rejects.toThrow('/dev/null is a device');
  });

  test('paths that no server could hold', async () => {
    const name = 'n'.repeat(250);
    const directory = process.cwd();
    try {
      process.chdir(root);
      for (let depth = 0; depth < 17; depth++) {
        mkdirSync(name);
        process.chdir(name);
      }
    } finally {
      process.chdir(directory);
    }
    await expect(scan()).rejects.toThrow(PathTooLong);
    execFileSync('rm', ['-r', at(name)]);
  });

  test('files and directories that it may not read', async () => {
    chmodSync(root, 0o755);
    writeFileSync(at('secret'), 'secret');
    chmodSync(at('secret'), 0);
    await unprivileged(async () => {
      await expect(scan()).rejects.toThrow(UnreadableFile);
      await expect(scan()).rejects.toThrow(`${at('secret')} cannot be read (EACCES)`);
    });
    unlinkSync(at('secret'));
    mkdirSync(at('closed'), { mode: 0 });
    await unprivileged(async () => {
      await expect(scan()).rejects.toThrow(`${at('closed')} cannot be read (EACCES)`);
    });
  });

  test('a large file that never stands still', async () => {
    const file = openSync(at('log'), 'w');
    ftruncateSync(file, 50_000_000);
    let isWriting = true;
    const write = () => {
      appendFileSync(at('log'), 'x');
      if (isWriting) setImmediate(write);
    };
    write();
    const refusal = scan();
    await expect(refusal).rejects.toThrow(FileChangedWhileRead);
    await expect(refusal).rejects.toThrow(at('log'));
    isWriting = false;
    closeSync(file);
  });
});

describe('a scan of a tree in motion', () => {
  test('reads a file again that changed while it was read', async () => {
    const content = 'x'.repeat(20_000_000);
    writeFileSync(at('large'), content);
    const result = scan();
    setImmediate(() => appendFileSync(at('large'), 'y'));
    expect((await result).manifest).toMatchObject([
      { sizeBytes: 20_000_001, digest: sha256(`${content}y`) },
    ]);
  });

  test('leaves out a file that was deleted before it was read', async () => {
    for (const name of ['a', 'large']) writeFileSync(at(name), 'x'.repeat(300_000));
    const result = scan();
    unlinkSync(at('large'));
    expect((await result).manifest.map((entry) => entry.path)).toEqual(['a']);
  });
});

/** Runs as a user who may not read everything, also when the tests run as root. */
async function unprivileged(action: () => Promise<void>): Promise<void> {
  const user = process.geteuid?.();
  if (user === 0) process.seteuid?.(65534);
  try {
    await action();
  } finally {
    if (user === 0) process.seteuid?.(0);
  }
}
