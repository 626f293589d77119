import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { EntryType, ManifestSchema } from '#libs/contracts/index.js';
import { comparePaths, type Manifest, type TreeEntry } from './manifest.js';
import { decodeManifest, encodeManifest, MalformedManifest } from './manifest-codec.js';

const file: TreeEntry = {
  type: 'file',
  path: 'a',
  mode: 0o644,
  sizeBytes: 1,
  mtimeMs: 1,
  digest: 'ab'.repeat(32),
};
const directory: TreeEntry = { type: 'directory', path: 'a', mode: 0o755 };
const link: TreeEntry = { type: 'symlink', path: 'a', target: 'b' };

describe('the order of manifests', () => {
  test('is that of the UTF-8 bytes', () => {
    const text = fc.string({ unit: 'binary', maxLength: 6 });
    const close = fc.string({ unit: fc.constantFrom('a', '/', '-', 'é', '\uffee', '😀') });
    fc.assert(
      fc.property(fc.oneof(fc.tuple(text, text), fc.tuple(close, close)), ([a, b]) => {
        const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(Math.sign(comparePaths(a, b))).toBe(expected);
      }),
    );
  });
});

describe('a manifest', () => {
  const malformed: [string, Manifest][] = [
    ['out of order', [{ ...file, path: 'b' }, file]],
    ['with the same path twice', [file, link]],
    ['with an empty path', [{ ...file, path: '' }]],
    ['with an absolute path', [{ ...file, path: '/a' }]],
    ['that leaves its root', [{ ...file, path: '..' }]],
    ['with a dot as a component', [directory, { ...file, path: 'a/.' }]],
    ['with a zero byte in a path', [{ ...file, path: 'a\0' }]],
    ['without the directory of a file', [{ ...file, path: 'a/b' }]],
    ['with a file inside a file', [file, { ...file, path: 'a/b' }]],
    ['with more than permission bits', [{ ...file, mode: 0o4755 }]],
    ['with a short digest', [{ ...file, digest: 'ab' }]],
    ['with a negative size', [{ ...file, sizeBytes: -1 }]],
    ['with a fraction of a millisecond', [{ ...file, mtimeMs: 1.5 }]],
    ['with a link to nothing', [{ ...link, target: '' }]],
  ];

  test.each(malformed)('%s is refused', (_what, manifest) => {
    expect(() => encodeManifest(manifest)).toThrow(MalformedManifest);
  });

  test('is refused when its bytes are cut short', () => {
    const bytes = encodeManifest([directory, { ...file, path: 'a/b' }]);
    expect(() => decodeManifest(bytes.subarray(0, bytes.length - 1))).toThrow(MalformedManifest);
  });

  test('is read by generic code, and read from what generic code writes', () => {
    const manifest: Manifest = [
      { ...file, path: 'a', mode: 0, sizeBytes: 2 ** 50, mtimeMs: -(2 ** 50) },
      { ...directory, path: 'é' },
      { ...link, path: 'é/l', target: '../😀' },
      { ...link, path: 'é/long', target: 'x'.repeat(200_000) },
      { ...file, path: 'é/é', sizeBytes: 0, mtimeMs: 0 },
    ];
    const message = fromBinary(ManifestSchema, encodeManifest(manifest));
    expect(message.$unknown).toBeUndefined();
    expect(message.entries).toMatchObject([
      { path: 'a', type: EntryType.FILE, sizeBytes: 2n ** 50n, mtimeMs: -(2n ** 50n) },
      { path: 'é', type: EntryType.DIRECTORY, mode: 0o755 },
      { path: 'é/l', type: EntryType.SYMLINK, symlinkTarget: '../😀' },
      { path: 'é/long', type: EntryType.SYMLINK },
      { path: 'é/é', type: EntryType.FILE, digest: Buffer.from('ab'.repeat(32), 'hex') },
    ]);
    const generic = toBinary(ManifestSchema, message);
    expect(decodeManifest(generic)).toEqual(manifest);
    expect(Buffer.from(generic).equals(encodeManifest(manifest))).toBe(true);
  });

  test('shares the entries that are the same in another tree', () => {
    const like: Manifest = [
      { ...file, path: '0' },
      file,
      { ...directory, path: 'b' },
      { ...file, path: 'b/changed' },
      { ...link, path: 'b/link' },
      { ...file, path: 'c' },
      { ...link, path: 'd' },
    ];
    const manifest: Manifest = [
      { ...file },
      { ...directory, path: 'b' },
      { ...file, path: 'b/changed', mtimeMs: 2 },
      { ...link, path: 'b/link' },
      { ...file, path: 'b/new' },
      { ...directory, path: 'c' },
      { ...link, path: 'd', target: 'other' },
    ];
    const decoded = decodeManifest(encodeManifest(manifest), like);
    expect(decoded).toEqual(manifest);
    const shared = decoded.filter((entry) => like.includes(entry));
    expect(shared.map(({ path }) => path)).toEqual(['a', 'b', 'b/link']);
  });

  test('is refused when an entry has no type', () => {
    const bytes = toBinary(ManifestSchema, create(ManifestSchema, { entries: [{ path: 'a' }] }));
    expect(() => decodeManifest(bytes)).toThrow(MalformedManifest);
  });
});
