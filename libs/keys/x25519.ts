import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { importPublicKey } from './ed25519.js';

/*
 * Servers have one key, for signatures (Ed25519). Both curves are the same in two coordinate
 * systems, so the X25519 key for agreements follows from it: u = (1 + y) / (1 - y) (RFC 7748).
 */

const prime = 2n ** 255n - 19n;
const publicPrefix = Buffer.from('302a300506032b656e032100', 'hex');
const privatePrefix = Buffer.from('302e020100300506032b656e04220420', 'hex');
const keyBytes = 32;

/** The X25519 public key of an Ed25519 one (SPKI DER). @throws UnacceptableKey */
export function agreementPublicKey(ed25519: Uint8Array): KeyObject {
  importPublicKey(ed25519);
  const point = Buffer.from(ed25519.subarray(-keyBytes)).reverse();
  const y = BigInt(`0x${point.toString('hex')}`) & (2n ** 255n - 1n);
  const u = (((1n + y) % prime) * inverse((1n - y + prime) % prime)) % prime;
  return publicKeyOf(Buffer.from(u.toString(16).padStart(64, '0'), 'hex').reverse());
}

/** The X25519 private key of an Ed25519 one (PKCS#8 PEM). */
export function agreementPrivateKey(ed25519Pem: string): KeyObject {
  const { d = '' } = createPrivateKey(ed25519Pem).export({ format: 'jwk' });
  const scalar = createHash('sha512').update(Buffer.from(d, 'base64url')).digest();
  const key = Buffer.concat([privatePrefix, scalar.subarray(0, keyBytes)]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

/** A pair for one use. `publicKey`: 32 bytes. */
export function ephemeralPair(): { privateKey: KeyObject; publicKey: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const der = publicKey.export({ format: 'der', type: 'spki' });
  return { privateKey, publicKey: new Uint8Array(der.subarray(-keyBytes)) };
}

/** What both sides can compute and nobody else. @throws for a public key of small order */
export function sharedSecret(privateKey: KeyObject, publicKey: KeyObject): Uint8Array {
  return new Uint8Array(diffieHellman({ privateKey, publicKey }));
}

/** @param bytes 32 of them */
export function publicKeyOf(bytes: Uint8Array): KeyObject {
  const key = Buffer.concat([publicPrefix, bytes]);
  return createPublicKey({ key, format: 'der', type: 'spki' });
}

/** x^(p-2) mod p. */
function inverse(x: bigint): bigint {
  let result = 1n;
  let base = x;
  for (let exponent = prime - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % prime;
    base = (base * base) % prime;
  }
  return result;
}
