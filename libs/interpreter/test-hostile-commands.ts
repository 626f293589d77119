import type { Manifest } from '#libs/content-store/manifest.js';
import { Compression, PatchEncoding } from '#libs/contracts/index.js';
import type { IllegalReason } from './errors.js';
import type { PlanPolicy } from './policy.js';
import { directory, file, symlink, type TestAssignment } from './test-commands.js';

/** The tree that the corpora of hostile and of unusual commands are played on. */
export const base: Manifest = [
  directory('d'),
  file('d/deep', 'deep'),
  directory('empty'),
  file('f', 'content'),
  symlink('l', 'd'),
  symlink('out', '/etc'),
];

/** What is wrong, the commands, the expected reason, other header fields, another policy. */
export type HostileCase = [
  string,
  (a: TestAssignment) => TestAssignment,
  IllegalReason,
  extra?: object,
  policy?: Partial<PlanPolicy>,
];
/** Puts a small file at a path. */
export const put = (path: string) => (a: TestAssignment) => a.put(path, 'x');
const putWith = (extra: object) => (a: TestAssignment) => a.put('x', 'x', extra);
const operations = (copyOffset: bigint, copyLength: bigint, literalLength = 0n) => ({
  operations: [{ copyOffset, copyLength, literalLength }],
});
const patch = (content: string, extra: object) => (a: TestAssignment) =>
  a.patch('x', 'f', content, extra);
const max64 = 2n ** 64n - 1n;

/** Where a command may not reach. */
export const hostilePaths: HostileCase[] = [
  ['an absolute path', put('/etc/passwd'), 'absolute-path'],
  ['a doubled slash in front', put('//etc/passwd'), 'absolute-path'],
  ['the root itself', put('/'), 'absolute-path'],
  ['an empty path', put(''), 'empty-path'],
  ['a parent in front', put('../x'), 'parent-component'],
  ['a parent in the middle', put('d/../../x'), 'parent-component'],
  ['a parent at the end', put('d/..'), 'parent-component'],
  ['a parent that stays inside', put('d/../x'), 'parent-component'],
  ['the current directory', put('.'), 'dot-component'],
  ['a dot in front', put('./x'), 'dot-component'],
  ['a dot in the middle', put('d/./x'), 'dot-component'],
  ['a doubled slash', put('d//x'), 'empty-component'],
  ['a slash at the end', put('d/x/'), 'empty-component'],
  ['a zero byte', put('x\0.html'), 'zero-byte'],
  ['a replacement character', put('x\ufffd'), 'malformed-text'],
  ['a component of 256 bytes', put('a'.repeat(256)), 'component-too-long'],
  ['a component of 128 two-byte letters', put('ä'.repeat(128)), 'component-too-long'],
  ['a path of 4096 bytes', put(`${'a/'.repeat(2047)}aa`), 'path-too-long'],
  [
    'a path beyond what the host has room for',
    put('d/xyz'),
    'path-too-long',
    {},
    { maxPathBytes: 4 },
  ],
  ['a file through a link', put('l/x'), 'through-symlink'],
  ['a file through a link to the outside', put('out/cron.d/x'), 'through-symlink'],
  [
    'a file through a link it made itself',
    (a) => a.symlink('n', 'd').put('n/x', 'x'),
    'through-symlink',
  ],
  ['a file through a file', put('f/x'), 'through-file'],
  ['a file deep below a file', put('f/x/y/z'), 'through-file'],
  ['a file in no directory', put('n/x'), 'missing-parent'],
  ['a directory in no directory', (a) => a.directory('n/x'), 'missing-parent'],
  ['a link in no directory', (a) => a.symlink('n/x', 'y'), 'missing-parent'],
  ['a link through a link', (a) => a.symlink('l/x', 'y'), 'through-symlink'],
  ['deleting through a link', (a) => a.remove('l/deep'), 'through-symlink'],
  ['a mode through a link', (a) => a.setMode('l/deep', 0o600), 'through-symlink'],
  ['a time through a link', (a) => a.setTimes('l/deep', 1), 'through-symlink'],
  ['a base path through a link', (a) => a.copy('x', 'l/deep'), 'base-not-found'],
  ['a base path outside', (a) => a.copy('x', '../../etc/passwd'), 'base-not-found'],
  ['an absolute base path', (a) => a.copy('x', '/etc/passwd'), 'base-not-found'],
];

/** What the order of commands and the tree forbid. */
export const hostileOrder: HostileCase[] = [
  ['a file written twice', (a) => a.put('x', '1').put('x', '2'), 'duplicate'],
  ['a file copied over one just written', (a) => a.put('x', '1').copy('x', 'f'), 'duplicate'],
  ['a directory made twice', (a) => a.directory('x').directory('x'), 'duplicate'],
  ['a written file deleted', (a) => a.put('x', '1').remove('x'), 'duplicate'],
  ['a file over a directory', put('d'), 'exists'],
  ['a file over a link', put('l'), 'through-symlink'],
  ['a link over a file', (a) => a.symlink('f', 'd'), 'exists'],
  ['a link over a directory', (a) => a.symlink('d', 'f'), 'exists'],
  ['a directory over a directory', (a) => a.directory('d'), 'exists'],
  ['a directory over a file', (a) => a.directory('f'), 'exists'],
  ['deleting what is not there', (a) => a.remove('x'), 'not-found'],
  ['deleting twice', (a) => a.remove('f').remove('f'), 'not-found'],
  ['deleting a directory as a file', (a) => a.remove('empty'), 'not-a-file'],
  ['removing a full directory', (a) => a.removeDirectory('d'), 'not-empty'],
  ['removing a file as a directory', (a) => a.removeDirectory('f'), 'not-a-directory'],
  ['removing a link as a directory', (a) => a.removeDirectory('l'), 'not-a-directory'],
  [
    'writing into a removed directory',
    (a) => a.removeDirectory('empty').put('empty/x', 'x'),
    'missing-parent',
  ],
  ['a copy of what is new', (a) => a.put('x', 'x').copy('y', 'x'), 'base-not-found'],
  ['a copy of a directory', (a) => a.copy('x', 'd'), 'base-not-a-file'],
  ['a copy of a link', (a) => a.copy('x', 'l'), 'base-not-a-file'],
  ['a mode of what is not there', (a) => a.setMode('x', 0o600), 'not-found'],
  ['a mode of a link', (a) => a.setMode('l', 0o600), 'through-symlink'],
  ['a time of a directory', (a) => a.setTimes('d', 1), 'not-a-file'],
];

/** What no parameter may be. */
export const hostileValues: HostileCase[] = [
  ['setuid', putWith({ mode: 0o4755 }), 'bad-mode'],
  ['setgid', (a) => a.setMode('f', 0o2755), 'bad-mode'],
  ['sticky', (a) => a.directory('x', 0o1777), 'bad-mode'],
  ['file type bits in a mode', putWith({ mode: 0o100644 }), 'bad-mode'],
  ['the largest mode', putWith({ mode: 2 ** 32 - 1 }), 'bad-mode'],
  ['a copy that becomes setuid', (a) => a.copy('x', 'f', 0o4755), 'bad-mode'],
  ['a directory that nobody can enter', (a) => a.directory('x', 0o000), 'bad-mode'],
  ['a size of 2^53', putWith({ sizeBytes: 2n ** 53n }), 'bad-size'],
  ['a size of 2^64 - 1', putWith({ sizeBytes: max64 }), 'bad-size'],
  ['more than the declared disk', putWith({}), 'beyond-declared-size', { diskNeededBytes: 0n }],
  [
    'a sum beyond the declared disk',
    (a) => a.put('x', '12').put('y', '34'),
    'beyond-declared-size',
    { diskNeededBytes: 3n },
  ],
  ['a time before what disks can store', putWith({ mtimeMs: -(2n ** 62n) }), 'bad-time'],
  ['a time after what disks can store', (a) => a.setTimes('f', 2 ** 52), 'bad-time'],
  ['a digest that is too short', putWith({ digest: new Uint8Array(4) }), 'bad-digest'],
  ['no digest', putWith({ digest: new Uint8Array() }), 'bad-digest'],
  [
    'a slice beyond the data',
    putWith({ data: { offset: 1n, length: 1n, compression: Compression.NONE } }),
    'bad-slice',
  ],
  [
    'a slice that wraps around',
    putWith({ data: { offset: max64, length: 2n, compression: Compression.ZSTD } }),
    'bad-slice',
  ],
  [
    'a slice of unknown compression',
    putWith({ data: { offset: 0n, length: 1n, compression: 9 } }),
    'bad-slice',
  ],
  ['content without a slice', putWith({ data: undefined }), 'bad-slice'],
  ['a plain slice of another size', putWith({ sizeBytes: 9n }), 'bad-slice'],
  ['an empty link target', (a) => a.symlink('x', ''), 'bad-target'],
  ['a zero byte in a link target', (a) => a.symlink('x', 'a\0b'), 'bad-target'],
  ['a link target of 4096 bytes', (a) => a.symlink('x', 'a'.repeat(4096)), 'bad-target'],
  ['a terminal escape in a link target', (a) => a.symlink('x', '\u001b[2J'), 'bad-target'],
  [
    'an absolute link where links stay inside',
    (a) => a.symlink('x', '/etc'),
    'outside-target',
    {},
    { linkTargets: 'inside' },
  ],
  [
    'a link out where links stay inside',
    (a) => a.symlink('d/x', 'y/../../../z'),
    'outside-target',
    {},
    { linkTargets: 'inside' },
  ],
  ['a patch beyond its base', patch('x', operations(7n, 1n)), 'bad-patch'],
  ['a patch that wraps around', patch('x', operations(max64, 2n)), 'bad-patch'],
  ['a patch of another size', patch('xx', operations(0n, 1n)), 'bad-patch'],
  ['a patch that does nothing', patch('', operations(0n, 0n)), 'bad-patch'],
  ['a patch whose literals are missing', patch('x', operations(0n, 0n, 1n)), 'bad-slice'],
  ['a patch of unknown encoding', patch('x', { encoding: 7 }), 'bad-patch'],
  ['a patch without a frame', patch('x', { encoding: PatchEncoding.ZSTD_PREFIX }), 'bad-slice'],
  [
    'a patch too large for memory',
    (a) => a.patch('x', 'f', 'xyz', { encoding: PatchEncoding.ZSTD_PREFIX, data: a.slice('f') }),
    'bad-size',
    {},
    { maxPatchBytes: 2 },
  ],
  ['a patch of no file', (a) => a.patch('x', 'nothing', 'x', {}), 'base-not-found'],
  ['a hook', (a) => a.init({ case: 'runHook', value: { name: 'reload' } }), 'unknown-hook'],
  [
    'a configuration value',
    (a) => a.init({ case: 'setConfiguration', value: { path: 'f', key: 'k', value: 'v' } }),
    'bad-configuration',
  ],
  ['an empty command', (a) => a.init({ case: undefined }), 'unknown-command'],
  ['more commands than declared', putWith({}), 'too-many-commands', { commandCount: 0n }],
  ['fewer commands than declared', putWith({}), 'missing-commands', { commandCount: 2n }],
  ['more entries than allowed', putWith({}), 'too-many-entries', {}, { maxEntries: 6 }],
];

/** What a file system without case or with normalisation would confuse. */
export const confusable: HostileCase[] = (
  [
    ['letters in another case', 'F'],
    ['a directory in another case', 'D'],
    ['a compatibility form', 'ｆ'],
  ] as const
).map(([name, path]) => [name, put(path), 'case-collision', {}, { refuseCaseCollisions: true }]);

const pairs = [
  ['sharp s', 'straße', 'STRASSE'],
  ['a ligature', 'ﬁle', 'FILE'],
  ['composed letters', 'caf\u00e9', 'cafe\u0301'],
] as const;
for (const [name, one, two] of pairs) {
  const commands = (a: TestAssignment) => a.put(one, '1').put(two, '2');
  confusable.push([name, commands, 'case-collision', {}, { refuseCaseCollisions: true }]);
}
