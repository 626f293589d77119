import { PatchEncoding } from '#libs/contracts/index.js';
import type { IllegalReason } from './errors.js';
import type { TestAssignment } from './test-commands.js';
import type { HostileCase } from './test-hostile-commands.js';

/** What no component may be, and every place for it. */
const components: readonly (readonly [string, IllegalReason])[] = [
  ['..', 'parent-component'],
  ['.', 'dot-component'],
  ['\0', 'zero-byte'],
  ['a\0b', 'zero-byte'],
  ['\ufffd', 'malformed-text'],
  ['x\ufffd', 'malformed-text'],
  ['a'.repeat(256), 'component-too-long'],
  ['€'.repeat(86), 'component-too-long'],
];
const places = ['%', '%/x', 'x/%', 'x/%/y', 'd/%', 'd/%/x', 'f/%', 'l/%', 'out/%/x', 'a/b/c/%/d'];

/** No path of a tree, whatever command names it. */
export const hostilePathList: readonly (readonly [string, IllegalReason])[] = [
  ...components.flatMap(([component, reason]) =>
    places.map((place) => [place.replace('%', component), reason] as const),
  ),
  ['', 'empty-path'],
  ['/', 'absolute-path'],
  ['/x', 'absolute-path'],
  ['//x', 'absolute-path'],
  ['///etc/shadow', 'absolute-path'],
  ['/proc/self/root/etc', 'absolute-path'],
  ['/dev/null', 'absolute-path'],
  ['../', 'parent-component'],
  ['../..', 'parent-component'],
  ['../../../../../../etc/passwd', 'parent-component'],
  ['x/../../y', 'parent-component'],
  ['d/../../../y', 'parent-component'],
  ['l/../x', 'parent-component'],
  ['x/y/z/../../../../w', 'parent-component'],
  ['./', 'dot-component'],
  ['./../x', 'dot-component'],
  ['x/', 'empty-component'],
  ['x//y', 'empty-component'],
  ['x///', 'empty-component'],
  ['d//../x', 'empty-component'],
  ['x\u2028\ufffd', 'malformed-text'],
  ['a'.repeat(256), 'component-too-long'],
  [`d/${'a'.repeat(300)}`, 'component-too-long'],
  ['€'.repeat(86), 'component-too-long'],
  ['😀'.repeat(64), 'component-too-long'],
  [`${'a'.repeat(256)}/x`, 'component-too-long'],
  ['a/'.repeat(2048), 'path-too-long'],
  [`${'a'.repeat(200)}/`.repeat(21), 'path-too-long'],
  [`/${'a'.repeat(5000)}`, 'absolute-path'],
  ...['x\ny', '\u0001', 'd/\u001b[2J', 'x\r', 'a\tb', '\u007f', 'x\u009b', 'd/\u0085/y'].map(
    (path) => [path, 'control-character'] as const,
  ),
];

/** No path where a site's names must mean the same everywhere. */
export const reservedPathList: readonly string[] = [
  ...['CON', 'con', 'd/nul', 'aux.html', 'COM1', 'lpt9.txt', 'prn.', 'CONIN$', 'com\u00b9'],
  ...['x.', 'x ', 'd./x', 'x:stream', 'c:\\x', 'a|b', '*', 'x?', '"x"', '<x>', 'PROGRA~1'],
];

type Play = (a: TestAssignment, path: string) => TestAssignment;

/** Every command that names a path. */
const commands: readonly (readonly [string, Play])[] = [
  ['put', (a, path) => a.put(path, 'x')],
  ['make a directory at', (a, path) => a.directory(path)],
  ['link', (a, path) => a.symlink(path, 'f')],
  ['copy to', (a, path) => a.copy(path, 'f')],
  ['delete', (a, path) => a.remove(path)],
  ['remove the directory', (a, path) => a.removeDirectory(path)],
  ['change the mode of', (a, path) => a.setMode(path, 0o600)],
  ['change the time of', (a, path) => a.setTimes(path, 1)],
  [
    'patch',
    (a, path) => {
      const operations = [{ copyOffset: 0n, copyLength: 1n, literalLength: 0n }];
      return a.patch(path, 'f', 'c', { encoding: PatchEncoding.OPERATIONS, operations });
    },
  ],
  [
    'set a value in',
    (a, path) => a.init({ case: 'setConfiguration', value: { path, key: 'k', value: 'v' } }),
  ],
];

const everywhere: readonly (readonly [string, IllegalReason])[] = [
  ['', 'empty-path'],
  ['/etc/passwd', 'absolute-path'],
  ['../x', 'parent-component'],
  ['d/../../x', 'parent-component'],
  ['./f', 'dot-component'],
  ['d//deep', 'empty-component'],
  ['f\0', 'zero-byte'],
  ['f\ufffd', 'malformed-text'],
  ['f\n', 'control-character'],
  ['a'.repeat(256), 'component-too-long'],
  ['l/deep', 'through-symlink'],
  ['out/passwd', 'through-symlink'],
  ['f/x', 'through-file'],
  ['absent/x', 'missing-parent'],
];

/** Each command at each kind of bad path. */
export const hostileEverywhere: HostileCase[] = commands.flatMap(([name, play]) =>
  everywhere.map(
    ([path, reason]): HostileCase => [
      `to ${name} ${JSON.stringify(path).slice(0, 30)}`,
      (a) => play(a, path),
      reason,
    ],
  ),
);
