import { type KeyObject, verify } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type ControlMessage,
  ControlMessageSchema,
  ControlStatementSchema,
  type SignedControl,
  SignedControlSchema,
  type SignedCredential,
} from '#libs/contracts/index.js';
import { openCredential } from '#libs/keys/credential.js';
import { importPublicKey, type SigningKey } from '#libs/keys/ed25519.js';
import { BootOrder } from './boot-order.js';
import { type DropReason, type OpenedFrame, senderIdOf } from './sealed-frame.js';

const domain = Buffer.from('espalier control frame v1\0');

/** What an agent signs its control frames with. */
export interface ControlIdentity {
  readonly key: SigningKey;
  readonly credential: SignedCredential;
}

/** The payload of a control frame with this header. */
export function signControl(
  { key, credential }: ControlIdentity,
  header: Uint8Array,
  message: ControlMessage,
  nowMs: number,
): Uint8Array {
  const value = create(ControlStatementSchema, { sentAtMs: BigInt(Math.floor(nowMs)), message });
  const statement = toBinary(ControlStatementSchema, value);
  const signature = key.sign(Buffer.concat([domain, header, statement]));
  return toBinary(
    SignedControlSchema,
    create(SignedControlSchema, { statement, signature, credential }),
  );
}

/** Clocks of one segment may differ by so much; what is older is a replay. */
export const maxSkewMs = 30_000;

export type Verdict =
  | { readonly message: ControlMessage; readonly node: string }
  /** `conflict`: the name that two living agents use. */
  | { readonly dropped: DropReason; readonly conflict?: string };

export interface VerifierOptions {
  readonly segment: string;
  readonly node: string;
  readonly bootId: bigint;
  /** SPKI DER. */
  readonly enrolmentKeys: readonly Uint8Array[];
  /** Frames from before this are replays. */
  readonly startedAtMs: number;
}

interface Peer {
  readonly credential: Uint8Array;
  readonly node: string;
  readonly publicKey: KeyObject;
  readonly boots: BootOrder;
}

/** Tells whether an opened control frame is the fresh word of an enrolled agent of the segment. */
export class ControlVerifier {
  private readonly peers = new Map<string, Peer>();
  private readonly ownId: string;

  constructor(private readonly options: VerifierOptions) {
    this.ownId = senderIdOf(options.node);
  }

  verify(opened: OpenedFrame, nowMs: number): Verdict {
    const signed = parse(opened.payload);
    if (!signed?.credential) return { dropped: 'malformed' };
    const peer = this.peerOf(opened.sender, signed.credential);
    if (!peer) return { dropped: 'impostor' };
    const { statement, signature } = signed;
    const bytes = Buffer.concat([domain, opened.header, statement]);
    if (!verify(null, bytes, peer.publicKey, signature)) return { dropped: 'impostor' };
    const said = parseStatement(statement);
    if (!said) return { dropped: 'malformed' };
    const sentAtMs = Number(said.sentAtMs);
    if (Math.abs(nowMs - sentAtMs) > maxSkewMs) return { dropped: 'stale' };
    if (sentAtMs < this.options.startedAtMs) return { dropped: 'stale' };
    const isOwnName = opened.sender === this.ownId;
    const order = isOwnName ? 'conflict' : peer.boots.hear(opened.bootId, sentAtMs, nowMs);
    if (order === 'conflict') return { dropped: 'duplicate', conflict: peer.node };
    return order === 'stale'
      ? { dropped: 'stale' }
      : { message: said.message ?? create(ControlMessageSchema), node: peer.node };
  }

  /** `undefined`: not enrolled here, or not who the frame says. A credential is checked once. */
  private peerOf(sender: string, shown: SignedCredential): Peer | undefined {
    const known = this.peers.get(sender);
    if (known && Buffer.compare(known.credential, shown.credential) === 0) return known;
    const { enrolmentKeys, segment } = this.options;
    const credential = openCredential(shown, enrolmentKeys);
    if (!credential || credential.segment !== segment) return undefined;
    if (senderIdOf(credential.node) !== sender) return undefined;
    const peer = {
      credential: Uint8Array.from(shown.credential),
      node: credential.node,
      publicKey: importPublicKey(credential.publicKey),
      boots: new BootOrder(),
    };
    this.peers.set(sender, peer);
    return peer;
  }
}

function parse(payload: Uint8Array): SignedControl | undefined {
  try {
    return fromBinary(SignedControlSchema, payload);
  } catch {
    return undefined;
  }
}

/** `undefined` for what a newer or a broken member sent. */
function parseStatement(statement: Uint8Array) {
  try {
    return fromBinary(ControlStatementSchema, statement);
  } catch {
    return undefined;
  }
}
