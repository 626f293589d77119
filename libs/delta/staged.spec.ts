import { describe, expect, test } from '@jest/globals';
import type { Manifest, TreeEntry } from '#libs/content-store/manifest.js';
import { joinParts, OverlappingParts, servedStaging, stagedParts } from './staged.js';

const file = (path: string): TreeEntry => ({
  ...{ type: 'file' as const, path, mode: 0o644, sizeBytes: 1, mtimeMs: 0 },
  digest: 'ab'.repeat(32),
});
const directory = (path: string, mode = 0o755): TreeEntry => ({ type: 'directory', path, mode });
const pathsOf = (manifest: Manifest) => manifest.map(({ path }) => path);

describe('who stages a site', () => {
  test('is named with the place of each, several for one place in turn', () => {
    const staging = servedStaging(['build', 'media=video/2026', 'spare', 'b.2']);
    expect(stagedParts(staging)).toEqual([
      { place: '', servers: ['build', 'spare', 'b.2'] },
      { place: 'video/2026', servers: ['media'] },
    ]);
  });

  test.each(['/srv/www', 'pushed:', 'build'])('is nobody for %s', (staging) => {
    expect(stagedParts(staging)).toBeUndefined();
  });

  test.each(['', 'a b', 'build,', '../x', 'b=/etc', 'b=..', 'b=a//b', 'b=./a', 'b=a/'])(
    'is not %j',
    (servers) => {
      expect(stagedParts(`servers:${servers}`)).toBeUndefined();
    },
  );
});

describe('the parts of a site', () => {
  test('become one tree, with the directories that lead to them', () => {
    const joined = joinParts([
      { place: '', manifest: [directory('css', 0o700), file('css/a'), file('index')] },
      { place: 'css/more', manifest: [file('b')] },
      { place: 'video/2026', manifest: [directory('x'), file('x/y')] },
    ]);
    expect(pathsOf(joined)).toEqual([
      ...['css', 'css/a', 'css/more', 'css/more/b', 'index'],
      ...['video', 'video/2026', 'video/2026/x', 'video/2026/x/y'],
    ]);
    expect(joined[0]).toEqual(directory('css', 0o700));
  });

  test('may not have the same file, nor one a file where another has a directory', () => {
    const video = { place: 'video', manifest: [file('a')] };
    for (const path of ['video/a', 'video']) {
      expect(() => joinParts([{ place: '', manifest: [file(path)] }, video])).toThrow(
        new OverlappingParts(path),
      );
    }
  });
});
