import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';

/** A private key with the public half that others know it by. */
export interface SigningKey {
  /** SHA-256 (hex) of the public key's SPKI DER. */
  readonly keyId: string;
  readonly publicKey: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** Thrown for a public key that must never be trusted. */
export class UnacceptableKey extends Error {
  override readonly name = 'UnacceptableKey';
}

/** Last 32 bytes of an SPKI DER Ed25519 key: the encoded point. */
const pointBytes = 32;
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * The encoded points of order 1, 2, 4 and 8 (sign bit cleared), and the non-canonical forms of
 * y = 0 and y = 1: under them one signature can fit every message (RFC 8032, section 5.1.7 leaves
 * it open).
 */
const smallOrderPoints = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]);

export function keyIdOf(publicKey: Uint8Array): string {
  return createHash('sha256').update(publicKey).digest('hex');
}

/** Reading a key costs as much as half a verification; an agent knows a few hundred. */
const sound = new Map<string, KeyObject>();
const maxSound = 1_024;

/** @throws UnacceptableKey for anything but a sound Ed25519 key in SPKI DER */
export function importPublicKey(publicKey: Uint8Array): KeyObject {
  const der = Buffer.from(publicKey).toString('latin1');
  const known = sound.get(der);
  if (known) return known;
  const key = checkedKey(publicKey);
  if (sound.size >= maxSound) sound.clear();
  sound.set(der, key);
  return key;
}

function checkedKey(publicKey: Uint8Array): KeyObject {
  const prefix = Buffer.from(publicKey.subarray(0, spkiPrefix.length));
  if (publicKey.length !== spkiPrefix.length + pointBytes || !prefix.equals(spkiPrefix)) {
    throw new UnacceptableKey('the public key is not an Ed25519 key in SPKI DER form');
  }
  const point = Buffer.from(publicKey.subarray(spkiPrefix.length));
  point[pointBytes - 1] = (point[pointBytes - 1] ?? 0) & 0x7f;
  if (smallOrderPoints.has(point.toString('hex'))) {
    throw new UnacceptableKey('the public key is a point of small order');
  }
  return createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
}

/** False for a wrong signature. @throws UnacceptableKey for a bad key */
export function verifySignature(
  publicKey: Uint8Array,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verify(null, bytes, importPublicKey(publicKey), signature);
}

/** Makes a new private key, PKCS#8 PEM. */
export function generatePrivateKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
}

export function signingKeyFromPem(pem: string): SigningKey {
  const privateKey = createPrivateKey(pem);
  const publicKey = new Uint8Array(
    createPublicKey(privateKey).export({ format: 'der', type: 'spki' }),
  );
  return {
    keyId: keyIdOf(publicKey),
    publicKey,
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  };
}
