import type { Manifest, TreeEntry } from '#libs/content-store/manifest.js';
import { directory, file, symlink, type TestAssignment, testTimeMs } from './test-commands.js';
import { base, put } from './test-hostile-commands.js';

export const with_ = (...entries: TreeEntry[]): Manifest => {
  const replaced = new Map([...base, ...entries].map((entry) => [entry.path, entry]));
  return inOrder([...replaced.values()]);
};
export const without = (manifest: Manifest, ...gone: string[]): Manifest =>
  manifest.filter((entry) => !gone.includes(entry.path));
const inOrder = (entries: TreeEntry[]): Manifest =>
  entries.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));

const deep = Array.from({ length: 10 }, (_, depth) =>
  Array(depth + 1)
    .fill('n')
    .join('/'),
);

/** Names that look bad and are not. */
const unusualNames = [
  ['a name that Windows reserves', 'CON'],
  ['a name that ends in a dot', 'x.'],
  ['a percent-encoded parent', '%2e%2e%2fx'],
  ['a name of shell syntax', '$(reboot);`x`|&'],
  ['quotes', '"\''],
  ['an asterisk and a question mark', '*?'],
  ['a tilde', '~root'],
  ["the interpreter's own names", 'live'],
  ['a name like a version being built', '2.tmp'],
  ['a direction mark', 'x\u202etxt'],
  ['a name of a combining mark', '\u0301'],
  ['an emoji of several code points', '👩‍👩‍👧'],
  ['four dots', '....'],
  ['line and paragraph separators', 'x\u2028y\u2029'],
  ['a space that does not break', 'x\u00a0y'],
  ['a space of no width', 'x\u200by'],
  ['a name of a private code point', '\ue000'],
] as const;

/** What is legal: name, commands, resulting tree. */
export const unusual: [string, (a: TestAssignment) => TestAssignment, Manifest][] = [
  ['no command at all', (a) => a, base],
  ['an empty file', (a) => a.put('x', ''), with_(file('x', ''))],
  ['a name of dots', (a) => a.put('...', 'x'), with_(file('...', 'x'))],
  ['a hidden file', put('.htaccess'), with_(file('.htaccess', 'x'))],
  ['a backslash and a colon', put('C:\\..\\x'), with_(file('C:\\..\\x', 'x'))],
  ['spaces at both ends', put(' x '), with_(file(' x ', 'x'))],
  ['a name like an option', put('-rf'), with_(file('-rf', 'x'))],
  ['a name of 255 bytes', put('a'.repeat(255)), with_(file('a'.repeat(255), 'x'))],
  [
    'names beyond the basic plane, in order of bytes',
    (a) => a.put('😀', '1').put('\uff5e', '2'),
    with_(file('😀', '1'), file('\uff5e', '2')),
  ],
  ['names that differ in case', put('F'), with_(file('F', 'x'))],
  [
    'a swap of two files',
    (a) => a.copy('f', 'd/deep').copy('d/deep', 'f'),
    with_(file('f', 'deep'), file('d/deep', 'content')),
  ],
  ['a rename', (a) => a.copy('x', 'f').remove('f'), without(with_(file('x', 'content')), 'f')],
  [
    'a rename whose source goes first',
    (a) => a.remove('f').copy('x', 'f'),
    without(with_(file('x', 'content')), 'f'),
  ],
  [
    'a file that becomes a directory',
    (a) => a.remove('f').directory('f').put('f/x', 'x'),
    with_(directory('f'), file('f/x', 'x')),
  ],
  [
    'a directory that becomes a link',
    (a) => a.remove('d/deep').removeDirectory('d').symlink('d', 'f'),
    without(with_(symlink('d', 'f')), 'd/deep'),
  ],
  [
    'a link that becomes a directory, and a file in it',
    (a) => a.remove('l').directory('l').put('l/x', 'x'),
    with_(directory('l'), file('l/x', 'x')),
  ],
  [
    'a link with a new target',
    (a) => a.symlink('l', '/somewhere/else'),
    with_(symlink('l', '/somewhere/else')),
  ],
  ['a link to itself', (a) => a.symlink('x', 'x'), with_(symlink('x', 'x'))],
  ['a file that nobody may read', (a) => a.put('x', 'x', { mode: 0 }), with_(file('x', 'x', 0))],
  [
    'mode and time of one file',
    (a) => a.setMode('f', 0o600).setTimes('f', testTimeMs),
    with_(file('f', 'content', 0o600)),
  ],
  [
    'everything removed',
    (a) =>
      a
        .remove('d/deep')
        .removeDirectory('d')
        .removeDirectory('empty')
        .remove('f')
        .remove('l')
        .remove('out'),
    [],
  ],
  ...unusualNames.map(([what, name]): (typeof unusual)[number] => [
    what,
    put(name),
    with_(file(name, 'x')),
  ]),
  [
    'a directory in a directory, ten deep',
    (a) => deep.reduce((all, path) => all.directory(path), a),
    with_(...deep.map((path) => directory(path))),
  ],
  [
    'a directory that only its owner may use',
    (a) => a.directory('x', 0o700),
    with_(directory('x', 0o700)),
  ],
  [
    'a directory that nobody may write to',
    (a) => a.directory('x', 0o555),
    with_(directory('x', 0o555)),
  ],
  ['an executable file', (a) => a.put('x', 'x', { mode: 0o755 }), with_(file('x', 'x', 0o755))],
  [
    'a file that everybody may write to',
    (a) => a.put('x', 'x', { mode: 0o777 }),
    with_(file('x', 'x', 0o777)),
  ],
  ['a link to nothing', (a) => a.symlink('x', 'nothing'), with_(symlink('x', 'nothing'))],
  [
    'a link up and down again',
    (a) => a.symlink('d/x', '../d/deep'),
    with_(symlink('d/x', '../d/deep')),
  ],
  [
    'one file copied to many places',
    (a) => a.copy('x', 'f').copy('y', 'f').copy('d/z', 'f'),
    with_(file('x', 'content'), file('y', 'content'), file('d/z', 'content')),
  ],
  [
    'a file deleted and written again',
    (a) => a.remove('f').put('f', 'again'),
    with_(file('f', 'again')),
  ],
  [
    'an empty directory made anew',
    (a) => a.removeDirectory('empty').directory('empty', 0o700),
    with_(directory('empty', 0o700)),
  ],
];
