import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { EnrolNodeSchema, event } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { InvalidNode, InvalidPublicKey, NodeIdentityTaken } from './errors.js';
import { type NodeEvent, nodeAggregate } from './node.js';

const { publicKey } = signingKeyFromPem(generatePrivateKeyPem());
const other = signingKeyFromPem(generatePrivateKeyPem());
const facts = { node: 'paris-1', segment: 'paris', publicKey, labels: { tier: 'prod' } };
const enrol = create(EnrolNodeSchema, facts);
const enrolled = event('NodeEnrolled', facts);

function decide(events: NodeEvent[], command: typeof enrol) {
  return nodeAggregate.decide(command, events.reduce(nodeAggregate.evolve, nodeAggregate.initial));
}

describe('a node', () => {
  test('is enrolled with its key, segment and labels', () => {
    expect(decide([], enrol)).toEqual([enrolled]);
  });

  test('is not enrolled twice by the same command', () => {
    expect(decide([enrolled], enrol)).toEqual([]);
  });

  test('keeps its name for its own key', () => {
    const stranger = { ...enrol, publicKey: other.publicKey };
    expect(() => decide([enrolled], stranger)).toThrow(NodeIdentityTaken);
  });

  test('may move to another segment and change its labels with the same key', () => {
    expect(decide([enrolled], { ...enrol, segment: 'rome' })).toEqual([
      event('NodeEnrolled', { ...facts, segment: 'rome' }),
    ]);
    expect(decide([enrolled], { ...enrol, labels: {} })).toHaveLength(1);
  });

  test.each(['', '.', '-a', 'a b', 'a/b', 'a'.repeat(64)])('is not called %j', (name) => {
    expect(() => decide([], { ...enrol, node: name })).toThrow(InvalidNode);
    expect(() => decide([], { ...enrol, segment: name })).toThrow(InvalidNode);
  });

  test('has a key that can be trusted', () => {
    expect(() => decide([], { ...enrol, publicKey: new Uint8Array(44) })).toThrow(InvalidPublicKey);
  });
});
