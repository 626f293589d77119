import { importPublicKey, keyIdOf, type SigningKey, verifySignature } from '#libs/keys/ed25519.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { AssignmentRefused } from './errors.js';

/** A DSSE envelope (Dead Simple Signing Envelope, version 1). */
export interface Envelope {
  readonly payload: Uint8Array;
  readonly payloadType: string;
  readonly signatures: readonly EnvelopeSignature[];
}

export interface EnvelopeSignature {
  /** SHA-256 (hex) of the signer's SPKI DER. */
  readonly keyId: string;
  readonly signature: Uint8Array;
}

/** More signatures than this are refused before any is verified. */
const maxSignatures = 16;

export function signEnvelope(
  payloadType: string,
  payload: Uint8Array,
  keys: readonly SigningKey[],
): Envelope {
  const message = preAuthenticationEncoding(payloadType, payload);
  return {
    payload,
    payloadType,
    signatures: keys.map((key) => ({ keyId: key.keyId, signature: key.sign(message) })),
  };
}

/**
 * The payload, once enough trusted keys vouch for it; parse these bytes and no others. A key counts
 * once however often it signed; signatures of keys that are not trusted are passed over.
 * @throws AssignmentRefused `untrusted`
 */
export function openEnvelope(
  envelope: Envelope,
  payloadType: string,
  trust: TrustRoot,
): Uint8Array {
  const trusted = trustedKeys(trust);
  if (envelope.payloadType !== payloadType) {
    throw untrusted(`the envelope holds ${envelope.payloadType}, not ${payloadType}`);
  }
  const message = preAuthenticationEncoding(payloadType, envelope.payload);
  const signers = new Set<string>();
  for (const { keyId, signature } of envelope.signatures) {
    const key = trusted.get(keyId);
    if (!key) continue;
    if (!verifySignature(key, message, signature)) {
      throw untrusted(`the signature of key ${keyId} is wrong`);
    }
    signers.add(keyId);
  }
  if (signers.size < trust.threshold) {
    throw untrusted(`${signers.size} trusted keys signed, ${trust.threshold} are needed`);
  }
  return envelope.payload;
}

/** What is signed: type and payload, each with its length. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType, 'utf8');
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `, 'utf8'),
    type,
    Buffer.from(` ${payload.length} `, 'utf8'),
    payload,
  ]);
}

/** The one JSON form of an envelope: members in this order, no white space. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      payload: Buffer.from(envelope.payload).toString('base64'),
      payloadType: envelope.payloadType,
      signatures: envelope.signatures.map(({ keyId, signature }) => ({
        keyid: keyId,
        sig: Buffer.from(signature).toString('base64'),
      })),
    }),
    'utf8',
  );
}

/**
 * Reads what `encodeEnvelope` writes and nothing else, so that no byte can change unnoticed.
 * @throws AssignmentRefused `malformed`
 */
export function parseEnvelope(bytes: Uint8Array): Envelope {
  const envelope = decodeEnvelope(Buffer.from(bytes).toString('utf8'));
  if (!envelope || Buffer.compare(encodeEnvelope(envelope), bytes) !== 0) {
    throw new AssignmentRefused('malformed', 'the envelope is not in its canonical JSON form');
  }
  if (envelope.signatures.length > maxSignatures) {
    throw new AssignmentRefused('malformed', `more than ${maxSignatures} signatures`);
  }
  return envelope;
}

function decodeEnvelope(text: string): Envelope | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(json) || !Array.isArray(json.signatures)) return undefined;
  const { payload, payloadType } = json;
  if (typeof payload !== 'string' || typeof payloadType !== 'string') return undefined;
  const signatures: EnvelopeSignature[] = [];
  for (const entry of json.signatures as unknown[]) {
    if (!isRecord(entry)) return undefined;
    const { keyid, sig } = entry;
    if (typeof keyid !== 'string' || typeof sig !== 'string') return undefined;
    signatures.push({ keyId: keyid, signature: Buffer.from(sig, 'base64') });
  }
  return { payload: Buffer.from(payload, 'base64'), payloadType, signatures };
}

/** By key id, so that a key that is listed twice counts once. */
function trustedKeys(trust: TrustRoot): Map<string, Uint8Array> {
  if (!Number.isSafeInteger(trust.threshold) || trust.threshold < 1) {
    throw untrusted(`a threshold of ${trust.threshold} signatures would trust anybody`);
  }
  for (const key of trust.keys) importPublicKey(key);
  return new Map(trust.keys.map((key) => [keyIdOf(key), key]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function untrusted(message: string): AssignmentRefused {
  return new AssignmentRefused('untrusted', message);
}
