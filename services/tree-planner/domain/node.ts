import { equals } from '@bufbuild/protobuf';
import {
  type DomainEvent,
  type EnrolNode,
  event,
  type NodeEnrolled,
  NodeEnrolledSchema,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { importPublicKey } from '#libs/keys/ed25519.js';
import { InvalidNode, InvalidPublicKey, NodeIdentityTaken } from './errors.js';

export type NodeEvent = DomainEvent<'NodeEnrolled'>;

export type Node =
  | { readonly situation: 'unknown' }
  | { readonly situation: 'enrolled'; readonly enrolment: NodeEnrolled };

/** A server: its key is its identity; its segment and labels may change. */
export const nodeAggregate: Aggregate<Node, EnrolNode, NodeEvent> = {
  type: 'node',
  initial: { situation: 'unknown' },
  evolve: (_state, { data }) => ({ situation: 'enrolled', enrolment: data }),
  decide,
};

/** @throws InvalidNode, InvalidPublicKey, NodeIdentityTaken */
function decide(command: EnrolNode, state: Node): NodeEvent[] {
  const { node, segment, publicKey, labels, controlAddress } = command;
  requireName('node', node);
  requireName('segment', segment);
  requireKey(node, publicKey);
  const enrolled = event('NodeEnrolled', { node, segment, publicKey, labels, controlAddress });
  if (state.situation === 'unknown') return [enrolled];
  if (!Buffer.from(state.enrolment.publicKey).equals(publicKey)) throw new NodeIdentityTaken(node);
  return equals(NodeEnrolledSchema, enrolled.data, state.enrolment) ? [] : [enrolled];
}

const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

function requireName(what: string, name: string): void {
  if (!nameForm.test(name)) throw new InvalidNode(what, name);
}

function requireKey(node: string, publicKey: Uint8Array): void {
  try {
    importPublicKey(publicKey);
  } catch (cause) {
    throw new InvalidPublicKey(node, { cause });
  }
}
