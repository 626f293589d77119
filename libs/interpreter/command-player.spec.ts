import { describe, expect, test } from '@jest/globals';
import { commandSetOf, posixType, shellType } from '#libs/assignment/command-sets.js';
import { atOnce } from '#libs/content-store/turns.js';
import { type Command, CommandSchema, PatchEncoding } from '#libs/contracts/index.js';
import { CommandPlayer } from './command-player.js';
import { defaultPolicy } from './policy.js';
import { directory, file, TestAssignment } from './test-commands.js';

const base = [directory('empty'), file('f', 'content'), file('f.ini', 'a=1')];
const operations = [{ copyOffset: 0n, copyLength: 7n, literalLength: 0n }];

type Case = NonNullable<Command['command']['case']>;
type Play = (assignment: TestAssignment) => TestAssignment;

/** Each command of the contract: one that is legal, and what it leaves at its path. */
const table: Record<Case, readonly [Play, string, object | undefined]> = {
  makeDirectory: [(a) => a.directory('x', 0o700), 'x', { type: 'directory', mode: 0o700 }],
  putFile: [(a) => a.put('x', 'new'), 'x', { type: 'file', sizeBytes: 3 }],
  patchFile: [
    (a) => a.patch('x', 'f', 'content', { encoding: PatchEncoding.OPERATIONS, operations }),
    'x',
    { type: 'file', sizeBytes: 7 },
  ],
  copyFile: [(a) => a.copy('x', 'f', 0o600), 'x', { type: 'file', mode: 0o600 }],
  deleteFile: [(a) => a.remove('f'), 'f', undefined],
  removeDirectory: [(a) => a.removeDirectory('empty'), 'empty', undefined],
  makeSymlink: [(a) => a.symlink('x', '/etc'), 'x', { type: 'symlink', target: '/etc' }],
  setMode: [(a) => a.setMode('f', 0o444), 'f', { type: 'file', mode: 0o444 }],
  setTimes: [(a) => a.setTimes('f', 7), 'f', { type: 'file', mtimeMs: 7 }],
  runHook: [(a) => a.init({ case: 'runHook', value: { name: 'reload' } }), '', undefined],
  setConfiguration: [
    (a) => {
      const value = { path: 'f.ini', key: 'a', value: '2' };
      return a.init({ case: 'setConfiguration', value });
    },
    'f.ini',
    { type: 'file' },
  ],
};

const play = (commands: Play) => {
  const assignment = commands(new TestAssignment());
  const policy = { ...defaultPolicy, hooks: ['reload'] };
  const player = new CommandPlayer(assignment.header(base, base), policy);
  atOnce(player.tree.load(base));
  for (const command of assignment.commands) player.play(command);
  player.finish();
  return player;
};

describe('the commands of the contract', () => {
  test('are all known here', () => {
    const names = CommandSchema.oneofs[0]?.fields.map(({ localName }) => localName);
    expect(Object.keys(table).sort()).toEqual(names?.sort());
  });

  test.each(Object.entries(table))('%s does what it says', (name, [commands, path, left]) => {
    const { tree, hooks } = play(commands);
    const entry = tree.entries.get(path);
    if (left) expect(entry).toMatchObject(left);
    else expect(entry).toBe(undefined);
    expect(hooks).toEqual(name === 'runHook' ? ['reload'] : []);
    expect([...tree.configured.keys()]).toEqual(name === 'setConfiguration' ? [path] : []);
  });
});

test('hosts that are reached through a shell get whole files only; other types are unknown', () => {
  expect(commandSetOf(posixType).patchesFiles).toBe(true);
  expect(commandSetOf(shellType).patchesFiles).toBe(false);
  expect(() => commandSetOf('windows/1')).toThrow('"windows/1"');
});
