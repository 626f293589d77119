import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import { CommandSchema } from '#libs/contracts/index.js';
import { planAssignment } from './plan.js';
import { defaultPolicy } from './policy.js';
import { directory, file, TestAssignment } from './test-commands.js';
import {
  base,
  confusable,
  hostileOrder,
  hostilePaths,
  hostileValues,
} from './test-hostile-commands.js';
import { hostileContainers } from './test-hostile-containers.js';
import { hostileEverywhere, hostilePathList, reservedPathList } from './test-hostile-paths.js';
import { unusual, with_, without } from './test-unusual-commands.js';

const corpus = [
  ...hostilePaths,
  ...hostileOrder,
  ...hostileValues,
  ...confusable,
  ...hostileEverywhere,
];

const plan = (assignment: TestAssignment, result: Manifest, extra = {}, policy = {}) =>
  planAssignment(base, assignment.commands, assignment.header(base, result, extra), {
    ...defaultPolicy,
    ...policy,
  });

describe('the plan refuses', () => {
  it.each(corpus)('%s', (_, commands, reason, extra = {}, policy = {}) => {
    const assignment = commands(new TestAssignment());
    expect(() => plan(assignment, base, extra, policy)).toThrow(
      expect.objectContaining({ name: 'IllegalCommand', reason }),
    );
  });

  it.each(hostilePathList)('a file at the path %j: %s', (path, reason) => {
    expect(() => plan(new TestAssignment().put(path, 'x'), base)).toThrow(
      expect.objectContaining({ name: 'IllegalCommand', reason }),
    );
  });

  it.each(reservedPathList)('the path %j where names are portable', (path) => {
    const reason = 'reserved-name';
    const assignment = () => new TestAssignment().put(path, 'x');
    expect(() => plan(assignment(), base, {}, { refuseReservedNames: true })).toThrow(
      expect.objectContaining({ name: 'IllegalCommand', reason }),
    );
    expect(() => plan(assignment(), base)).not.toThrow(expect.objectContaining({ reason }));
  });

  it('lone surrogates, which would all be one file on disk', () => {
    const assignment = new TestAssignment();
    // The codec refuses to write them, so they are put in behind its back.
    assignment.put('x', 'x');
    const [command] = assignment.commands;
    if (command?.command.case === 'putFile') command.command.value.path = 'x\ud800';
    expect(() => plan(assignment, base)).toThrow(
      expect.objectContaining({ reason: 'malformed-text' }),
    );
  });

  it('fields and commands of a later contract', () => {
    const known = create(CommandSchema, { command: { case: 'deleteFile', value: { path: 'f' } } });
    // Field 99, varint 1: beside the command, and within it.
    const beside = Buffer.concat([toBinary(CommandSchema, known), Buffer.from([0x98, 6, 1])]);
    const within = Buffer.from([0x2a, 6, 0x0a, 1, 0x66, 0x98, 6, 1]);
    for (const bytes of [beside, within]) {
      const assignment = new TestAssignment();
      assignment.commands.push(fromBinary(CommandSchema, bytes));
      expect(() => plan(assignment, base)).toThrow(
        expect.objectContaining({ reason: 'unknown-command' }),
      );
    }
  });

  it('names the position and the path of the first illegal command', () => {
    const assignment = new TestAssignment().put('x', 'x').remove('y').remove('z');
    expect(() => plan(assignment, base)).toThrow(
      expect.objectContaining({ index: 1, path: 'y', reason: 'not-found' }),
    );
  });

  it('commands that make another tree than the signed one', () => {
    expect(() => plan(new TestAssignment().put('x', 'x'), base)).toThrow(
      expect.objectContaining({ name: 'WrongResult' }),
    );
  });

  it('another base than the one that was signed', () => {
    const header = new TestAssignment().header([file('a', 'a')], base);
    expect(() => planAssignment(base, [], header)).toThrow(
      expect.objectContaining({ name: 'AssignmentRefused', reason: 'wrong-base' }),
    );
  });
});

describe('the plan accepts', () => {
  it.each(unusual)('%s', (_, commands, result) => {
    expect(treeDigest(plan(commands(new TestAssignment()), result).result)).toBe(
      treeDigest(result),
    );
  });

  it('a rename without writing a byte', () => {
    const assignment = new TestAssignment().copy('x', 'f').remove('f');
    const { steps, writtenBytes } = plan(assignment, without(with_(file('x', 'content')), 'f'));
    expect(steps.filter((step) => step.kind === 'write')).toEqual([]);
    expect(writtenBytes).toBe(0);
  });

  it('that names go which it would not take', () => {
    const withOld = with_(directory('x\t'), file('x\t/aux', 'old'));
    const assignment = new TestAssignment().remove('x\t/aux').removeDirectory('x\t');
    const header = assignment.header(withOld, base);
    const policy = { ...defaultPolicy, refuseReservedNames: true };
    expect(planAssignment(withOld, assignment.commands, header, policy).result).toEqual(base);
  });

  it('any base when nothing was there before', () => {
    const assignment = new TestAssignment().put('a', 'a');
    const header = assignment.header([], [file('a', 'a')]);
    expect(planAssignment([], assignment.commands, header).result).toEqual([file('a', 'a')]);
  });
});

it('the corpus of refusals has the size that is promised', () => {
  const distinct = (names: readonly string[]) => new Set(names).size;
  const named = [...hostilePaths, ...hostileOrder, ...hostileValues, ...confusable];
  const names = [...named.map(([name]) => name), ...hostileContainers.map(([name]) => name)];
  expect(distinct(names)).toBeGreaterThanOrEqual(150);
  expect(distinct(corpus.map(([name]) => name))).toBeGreaterThanOrEqual(200);
  expect(distinct(hostilePathList.map(([path]) => path))).toBeGreaterThanOrEqual(100);
  expect(distinct(unusual.map(([name]) => name))).toBeGreaterThanOrEqual(40);
});
