import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { ChangeSetComputedSchema, RunStartedSchema } from '#libs/contracts/index.js';
import { baseGroups } from './bases.js';

const digest = (byte: number) => new Uint8Array(32).fill(byte);
const hex = (byte: number) => Buffer.from(digest(byte)).toString('hex');
const [base, result, old, forgotten] = [1, 2, 3, 4] as const;
const known = new Map([[hex(old), hex(0x30)]]);
const changes = create(ChangeSetComputedSchema, {
  baseTreeDigest: digest(base),
  baseManifestDigest: digest(0x10),
  resultTreeDigest: digest(result),
  resultManifestDigest: digest(0x20),
});

function groups(served: [number, ...string[]][], holders: string[] = []) {
  const run = create(RunStartedSchema, {
    targets: [
      { segment: 'paris', nodes: ['p1', 'p2'] },
      { segment: 'rome', nodes: ['r1'] },
    ],
    served: served.map(([byte, ...nodes]) => {
      return { nodes, treeDigest: byte === 0 ? new Uint8Array() : digest(byte) };
    }),
    holders,
  });
  return Object.fromEntries(
    baseGroups(run, changes, known).map(({ treeDigest, manifestDigest, targets }) => [
      treeDigest.slice(0, 2),
      [manifestDigest.slice(0, 2), ...targets.flatMap(({ nodes }) => nodes)],
    ]),
  );
}

describe('the bases of a run', () => {
  test('are one when all servers serve what the change set starts from', () => {
    expect(groups([])).toEqual({ '01': ['10', 'p1', 'p2', 'r1'] });
  });

  test('are as many as there are trees among the servers', () => {
    expect(
      groups([
        [old, 'p1'],
        [0, 'r1'],
      ]),
    ).toEqual({
      '01': ['10', 'p2'],
      '03': ['30', 'p1'],
      '': ['', 'r1'],
    });
  });

  test('are nothing for a server whose tree is not known any more', () => {
    expect(
      groups([
        [forgotten, 'p1'],
        [0, 'p2'],
      ]),
    ).toEqual({
      '01': ['10', 'r1'],
      '': ['', 'p1', 'p2'],
    });
  });

  test('are one for each type of agents, which chooses the command set', () => {
    const run = create(RunStartedSchema, {
      targets: [{ segment: 'paris', nodes: ['p1', 'p2', 'p3'] }],
      served: [{ treeDigest: digest(old), nodes: ['p3'] }],
      agentTypes: [{ agentType: 'shell/1', nodes: ['p2', 'p3'] }],
    });
    const found = baseGroups(run, changes, known).map(({ agentType, treeDigest, targets }) => [
      ...[agentType, treeDigest.slice(0, 2), ...targets.flatMap(({ nodes }) => nodes)],
    ]);
    expect(found).toEqual([
      ['posix/1', '01', 'p1'],
      ['shell/1', '01', 'p2'],
      ['shell/1', '03', 'p3'],
    ]);
  });

  test('are the result for servers that have it on disk', () => {
    expect(groups([[old, 'p1']], ['p1', 'p2', 'r1'])).toEqual({ '02': ['20', 'p1', 'p2', 'r1'] });
  });
});
