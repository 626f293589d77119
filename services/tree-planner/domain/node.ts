import { equals } from '@bufbuild/protobuf';
import {
  type DomainEvent,
  type EnrolNode,
  event,
  type NodeEnrolled,
  NodeEnrolledSchema,
  type RemoveNode,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { importPublicKey } from '#libs/keys/ed25519.js';
import {
  InvalidNode,
  InvalidPublicKey,
  KeyWasRemoved,
  NodeIdentityTaken,
  UnknownNode,
} from './errors.js';

export type NodeEvent = DomainEvent<'NodeEnrolled' | 'NodeRemoved'>;

export type NodeCommand =
  | { readonly type: 'enrol'; readonly data: EnrolNode }
  /** The server has left for good. */
  | { readonly type: 'remove'; readonly data: RemoveNode };

export type Node =
  | { readonly situation: 'unknown' }
  | {
      readonly situation: 'enrolled' | 'removed';
      /** The last one. */
      readonly enrolment: NodeEnrolled;
      /** Keys that do not come back, base64. */
      readonly removedKeys: ReadonlySet<string>;
    };

/**
 * A server: its key is its identity; its segment and labels may change. Once it is removed, its
 * name is free for another key, as of a server that was set up anew.
 */
export const nodeAggregate: Aggregate<Node, NodeCommand, NodeEvent> = {
  type: 'node',
  initial: { situation: 'unknown' },
  evolve,
  decide: (command, state) =>
    command.type === 'enrol' ? enrol(command.data, state) : remove(command.data, state),
};

function evolve(state: Node, happened: NodeEvent): Node {
  if (happened.type === 'NodeEnrolled') {
    const removedKeys = state.situation === 'unknown' ? new Set<string>() : state.removedKeys;
    return { situation: 'enrolled', enrolment: happened.data, removedKeys };
  }
  if (state.situation === 'unknown') return state;
  const removedKeys = new Set(state.removedKeys).add(base64(state.enrolment.publicKey));
  return { ...state, situation: 'removed', removedKeys };
}

/** @throws InvalidNode, InvalidPublicKey, NodeIdentityTaken, KeyWasRemoved */
function enrol(command: EnrolNode, state: Node): NodeEvent[] {
  const { node, segment, publicKey, labels, controlAddress } = command;
  requireName('node', node);
  requireName('segment', segment);
  requireKey(node, publicKey);
  const enrolled = event('NodeEnrolled', { node, segment, publicKey, labels, controlAddress });
  if (state.situation === 'unknown') return [enrolled];
  if (state.removedKeys.has(base64(publicKey))) throw new KeyWasRemoved(node);
  if (state.situation === 'removed') return [enrolled];
  if (!Buffer.from(state.enrolment.publicKey).equals(publicKey)) throw new NodeIdentityTaken(node);
  return equals(NodeEnrolledSchema, enrolled.data, state.enrolment) ? [] : [enrolled];
}

/** @throws UnknownNode */
function remove({ node, reason }: RemoveNode, state: Node): NodeEvent[] {
  if (state.situation === 'unknown') throw new UnknownNode(node);
  return state.situation === 'removed' ? [] : [event('NodeRemoved', { node, reason })];
}

function base64(key: Uint8Array): string {
  return Buffer.from(key).toString('base64');
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
