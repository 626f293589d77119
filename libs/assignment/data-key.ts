import {
  createCipheriv,
  createDecipheriv,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type AssignmentHeader, type Encryption, EncryptionSchema } from '#libs/contracts/host.js';
import { agreementPublicKey, ephemeralPair, publicKeyOf, sharedSecret } from '#libs/keys/x25519.js';
import { dataKeyBytes } from './block-cipher.js';
import { AssignmentRefused } from './errors.js';

/** A server that shall be able to read a body. */
export interface Recipient {
  readonly node: string;
  /** Ed25519, SPKI DER: the key that it enrolled with. */
  readonly publicKey: Uint8Array;
}

/** What a wrapped key is bound to. */
export interface Job {
  readonly site: string;
  readonly runId: string;
}

export interface WrappedDataKey {
  readonly dataKey: Uint8Array;
  readonly encryption: Encryption;
}

const tagBytes = 16;
const wrappedBytes = dataKeyBytes + tagBytes;
const publicKeyBytes = 32;
/** Every wrapping key is used once. */
const zeroNonce = Buffer.alloc(12);

/**
 * Makes a data key and wraps it for each server: an agreement (X25519) of a key of this job alone
 * with the server's own, HKDF-SHA-256, AES-256-GCM.
 * @throws UnacceptableKey
 */
export function newDataKey(job: Job, recipients: readonly Recipient[]): WrappedDataKey {
  const dataKey = new Uint8Array(randomBytes(dataKeyBytes));
  const { privateKey, publicKey } = ephemeralPair();
  const keys = recipients.map(({ node, publicKey: nodeKey }) => {
    const secret = sharedSecret(privateKey, agreementPublicKey(nodeKey));
    const cipher = createCipheriv(
      'aes-256-gcm',
      wrappingKey(secret, publicKey, job, node),
      zeroNonce,
      {
        authTagLength: tagBytes,
      },
    );
    const wrapped = Buffer.concat([cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
    return { node, wrapped };
  });
  const encryption = create(EncryptionSchema, { ephemeralPublicKey: publicKey, keys });
  return { dataKey, encryption };
}

/**
 * The data key of an assignment; undefined when its body is not encrypted.
 * @param agreementKey this server's, see `agreementPrivateKey` of libs/keys/x25519
 * @throws AssignmentRefused `out-of-scope` when it is wrapped for others only, `damaged`,
 *   `malformed`
 */
export function dataKeyFor(
  header: AssignmentHeader,
  node: string,
  agreementKey: KeyObject,
): Uint8Array | undefined {
  const { encryption } = header;
  if (!encryption) return undefined;
  const entry = encryption.keys.find((key) => key.node === node);
  if (!entry) {
    throw new AssignmentRefused('out-of-scope', `the assignment cannot be read by ${node}`);
  }
  const { ephemeralPublicKey } = encryption;
  const isComplete =
    entry.wrapped.length === wrappedBytes && ephemeralPublicKey.length === publicKeyBytes;
  if (!isComplete) throw new AssignmentRefused('malformed', 'a wrapped key has a wrong length');
  try {
    const secret = sharedSecret(agreementKey, publicKeyOf(ephemeralPublicKey));
    const key = wrappingKey(secret, ephemeralPublicKey, header, node);
    const decipher = createDecipheriv('aes-256-gcm', key, zeroNonce, { authTagLength: tagBytes });
    decipher.setAuthTag(entry.wrapped.subarray(dataKeyBytes));
    const opened = [decipher.update(entry.wrapped.subarray(0, dataKeyBytes)), decipher.final()];
    return new Uint8Array(Buffer.concat(opened));
  } catch (cause) {
    const message = `the data key for ${node} was not wrapped for the key that it has`;
    throw new AssignmentRefused('damaged', message, { cause });
  }
}

function wrappingKey(
  secret: Uint8Array,
  ephemeral: Uint8Array,
  { site, runId }: Job,
  node: string,
): Uint8Array {
  const info = JSON.stringify(['espalier data key v1', site, runId, node]);
  return new Uint8Array(hkdfSync('sha256', secret, ephemeral, info, dataKeyBytes));
}
