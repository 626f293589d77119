import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { EnrolNodeSchema, event, RemoveNodeSchema } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import {
  InvalidNode,
  InvalidPublicKey,
  KeyWasRemoved,
  NodeIdentityTaken,
  UnknownNode,
} from './errors.js';
import { type NodeCommand, type NodeEvent, nodeAggregate } from './node.js';

const { publicKey } = signingKeyFromPem(generatePrivateKeyPem());
const other = signingKeyFromPem(generatePrivateKeyPem());
const facts = { node: 'paris-1', segment: 'paris', publicKey, labels: { tier: 'prod' } };
const enrolled = event('NodeEnrolled', facts);
const anew = event('NodeEnrolled', { ...facts, publicKey: other.publicKey });
const removed = event('NodeRemoved', { node: 'paris-1', reason: 'stolen' });
const remove = {
  type: 'remove',
  data: create(RemoveNodeSchema, { node: 'paris-1', reason: 'stolen' }),
} as const;

function enrol(changes: Partial<typeof facts> = {}): NodeCommand {
  return { type: 'enrol', data: create(EnrolNodeSchema, { ...facts, ...changes }) };
}

function decide(events: NodeEvent[], command: NodeCommand) {
  return nodeAggregate.decide(command, events.reduce(nodeAggregate.evolve, nodeAggregate.initial));
}

describe('a node', () => {
  test('is enrolled with its key, segment and labels', () => {
    expect(decide([], enrol())).toEqual([enrolled]);
  });

  test('is not enrolled twice by the same command', () => {
    expect(decide([enrolled], enrol())).toEqual([]);
  });

  test('keeps its name for its own key', () => {
    const stranger = enrol({ publicKey: other.publicKey });
    expect(() => decide([enrolled], stranger)).toThrow(NodeIdentityTaken);
  });

  test('may move to another segment and change its labels with the same key', () => {
    expect(decide([enrolled], enrol({ segment: 'rome' }))).toEqual([
      event('NodeEnrolled', { ...facts, segment: 'rome' }),
    ]);
    expect(decide([enrolled], { ...enrol({ labels: {} as typeof facts.labels }) })).toHaveLength(1);
  });

  test.each(['', '.', '-a', 'a b', 'a/b', 'a'.repeat(64)])('is not called %j', (name) => {
    expect(() => decide([], enrol({ node: name }))).toThrow(InvalidNode);
    expect(() => decide([], enrol({ segment: name }))).toThrow(InvalidNode);
  });

  test('has a key that can be trusted', () => {
    const untrusted = enrol({ publicKey: new Uint8Array(44) });
    expect(() => decide([], untrusted)).toThrow(InvalidPublicKey);
  });
});

describe('a node that leaves for good', () => {
  test('is removed once, for the reason that is given', () => {
    expect(decide([enrolled], remove)).toEqual([removed]);
    expect(decide([enrolled, removed], remove)).toEqual([]);
  });

  test('must be known', () => {
    expect(() => decide([], remove)).toThrow(UnknownNode);
  });

  test('does not come back with its key', () => {
    expect(() => decide([enrolled, removed], enrol())).toThrow(KeyWasRemoved);
  });

  test('leaves its name to a server with a new key, and the old one stays refused', () => {
    const events = [enrolled, removed];
    expect(decide(events, enrol({ publicKey: other.publicKey }))).toEqual([anew]);
    expect(() => decide([...events, anew], enrol())).toThrow(KeyWasRemoved);
    expect(decide([...events, anew], remove)).toEqual([removed]);
  });
});
