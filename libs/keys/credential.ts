import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type NodeCredential,
  NodeCredentialSchema,
  type SignedCredential,
  SignedCredentialSchema,
} from '#libs/contracts/index.js';
import { type SigningKey, verifySignature } from './ed25519.js';

/** Keeps a credential's signature from being taken for a signature of anything else. */
const domain = Buffer.from('espalier node credential v1\0');

/** The control plane's word that this key speaks for this node in this segment. */
export function signCredential(
  enrolmentKey: SigningKey,
  { node, segment, publicKey }: Pick<NodeCredential, 'node' | 'segment' | 'publicKey'>,
): SignedCredential {
  const value = create(NodeCredentialSchema, { node, segment, publicKey });
  const credential = toBinary(NodeCredentialSchema, value);
  const signature = enrolmentKey.sign(Buffer.concat([domain, credential]));
  return create(SignedCredentialSchema, { credential, signature });
}

/** Verifies, then parses the same bytes. `undefined`: no enrolment key has signed it. */
export function openCredential(
  { credential, signature }: SignedCredential,
  enrolmentKeys: readonly Uint8Array[],
): NodeCredential | undefined {
  const signed = Buffer.concat([domain, credential]);
  if (!enrolmentKeys.some((key) => verifySignature(key, signed, signature))) return undefined;
  return fromBinary(NodeCredentialSchema, credential);
}
