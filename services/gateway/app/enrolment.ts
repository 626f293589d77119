import { create } from '@bufbuild/protobuf';
import {
  DomainError,
  EnrolNodeSchema,
  type EnrolReply,
  EnrolReplySchema,
  type EnrolRequest,
  type LiveVersion,
} from '#libs/contracts/index.js';
import { signCredential } from '#libs/keys/credential.js';
import type { ControlKeys, ScheduledKey } from '#libs/keys/key-provider.js';
import { sameSecret } from '#libs/keys/same-secret.js';
import { nodeUri } from '#libs/keys/tls-names.js';
import { channelsOf } from './segment-channels.js';

/** What an agent needs to talk to the log's ingress. */
export interface AgentNatsAccess {
  readonly url: string;
  /** A user that all agents share; empty: each signs in by its own key. */
  readonly user: string;
  readonly password: string;
  /** The same over WebSocket; empty: there is none. */
  readonly websocketUrl: string;
  /** HTTPS base URL of the gateway for agents; empty: where they enrolled. */
  readonly agentUrl: string;
}

export class WrongJoinToken extends DomainError {
  override readonly name = 'WrongJoinToken';
  constructor(node: string) {
    super(
      `the join token that ${node} showed is not the one of this control plane`,
      'give the agent the content of keys/join-token, by --join-token-file or ESPALIER_JOIN_TOKEN',
    );
  }
}

/** Records an enrolment; the identity that counts is the one recorded here. */
export type RecordEnrolment = (
  command: Parameters<typeof create<typeof EnrolNodeSchema>>[1],
) => Promise<unknown>;

/** Where the agents of a segment hear unicast control frames: node to `address:port`. */
export type PeersOf = (segment: string) => Promise<ReadonlyMap<string, string>>;

/** A segment's key is replaced when it has been in use for so long. */
export const keyLifeMs = 24 * 3_600_000;
/** Every agent has asked for the next key by the time it comes into use. */
export const keyNoticeMs = 2 * 3_600_000;

/** Of a segment that a server has left for good: leaders ask every minute. */
const removalNoticeMs = 120_000;

export interface EnrolmentHost {
  readonly keys: ControlKeys;
  readonly access: AgentNatsAccess;
  readonly record: RecordEnrolment;
  readonly peersOf: PeersOf;
  /** What the agent's server is to serve. */
  readonly expectedOf: (node: string) => Promise<readonly LiveVersion[]>;
  readonly nowMs: () => number;
}

/** Admits an agent that has the join token and hands it the keys of its segment. */
export async function enrol(request: EnrolRequest, host: EnrolmentHost): Promise<EnrolReply> {
  const { keys, access, record, peersOf, expectedOf, nowMs } = host;
  const { node, segment, publicKey, labels, controlAddress } = request;
  if (!sameSecret(request.joinToken, await keys.joinToken())) throw new WrongJoinToken(node);
  await record({ node, segment, publicKey, labels, controlAddress });
  const segmentKeys = await keysInUse(keys, segment, nowMs());
  const current = segmentKeys.findLast(({ useFromMs }) => useFromMs <= nowMs()) ?? segmentKeys[0];
  const [first] = await keys.segmentKeys(segment);
  if (!current || !first) throw new Error(`${segment} has no key`);
  const trust = await keys.trustRoot();
  const enrolmentKey = await keys.enrolmentKey();
  const tls = await keys.tlsAuthority();
  const peers = [...(await peersOf(segment))].filter(([peer]) => peer !== node);
  return create(EnrolReplySchema, {
    natsUrl: access.url,
    natsUser: access.user,
    natsPassword: access.password,
    segmentKey: current.key,
    keyEpoch: current.epoch,
    signingKeys: [...trust.keys],
    signingThreshold: trust.threshold,
    rootDocuments: [...(await keys.rootDocuments())],
    // Of the first key: a rotation does not move a segment.
    ...channelsOf(first.key),
    credential: signCredential(enrolmentKey, { node, segment, publicKey }),
    enrolmentKeys: [enrolmentKey.publicKey],
    segmentKeys: segmentKeys.map(({ epoch, key, useFromMs }) => ({
      epoch,
      key,
      useFromMs: BigInt(useFromMs),
    })),
    peers: peers.map(([peer, address]) => ({ node: peer, controlAddress: address })),
    expected: [...(await expectedOf(node))],
    natsWebsocketUrl: access.websocketUrl,
    agentUrl: access.agentUrl,
    // The name is the one that was recorded just now.
    tlsCertificate: await tls.issue(publicKey, nodeUri(node), nowMs()),
    tlsAuthorities: [...tls.certificates],
  });
}

/**
 * Gives a segment a key that a server which has left for good was never told: not the next one, if
 * that is announced already.
 */
export async function rotateAfterRemoval(
  keys: Pick<ControlKeys, 'segmentKeys' | 'rotateSegmentKey'>,
  segment: string,
  nowMs: number,
): Promise<ScheduledKey> {
  const last = (await keys.segmentKeys(segment)).at(-1);
  const fromMs = Math.max(nowMs, last?.useFromMs ?? 0);
  return keys.rotateSegmentKey(segment, fromMs, fromMs + removalNoticeMs);
}

/** The key before the current one, that one, and its successor when it is time for one. */
async function keysInUse(
  keys: ControlKeys,
  segment: string,
  nowMs: number,
): Promise<readonly ScheduledKey[]> {
  const last = (await keys.segmentKeys(segment)).at(-1);
  const isOld = last && nowMs - last.useFromMs > keyLifeMs;
  if (isOld) await keys.rotateSegmentKey(segment, nowMs, nowMs + keyNoticeMs);
  return (await keys.segmentKeys(segment)).slice(-3);
}
