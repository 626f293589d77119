import { createHash } from 'node:crypto';
import { type SigningKey, verifySignature } from './ed25519.js';

/*
 * HTTP message signatures (RFC 9421) of one fixed form: Ed25519 over method, path and the digest of
 * the body (RFC 9530). They hold through proxies that end TLS.
 */

/** What is signed of a request. */
export interface SignedRequest {
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array;
}

/** Thrown for a request that is not signed as it must be. */
export class UnsignedRequest extends Error {
  override readonly name = 'UnsignedRequest';
}

/** How far the signer's clock may be off, and how long a nonce has to be remembered. */
export const signatureLifeMs = 60_000;

const covered = '("@method" "@path" "content-digest")';
const inputForm = new RegExp(
  `^sig=(${covered.replace(/[()]/g, '\\$&')};created=(\\d{1,12});nonce="([\\w-]{16,64})"` +
    ';keyid="([\\w.-]{1,63})";alg="ed25519")$',
);
const signatureForm = /^sig=:([A-Za-z0-9+/]{86}==):$/;

/** The headers that sign a request in a node's name. `nonce`: 16 to 64 of `A-Za-z0-9_-`. */
export function signatureHeaders(
  node: string,
  key: SigningKey,
  request: SignedRequest,
  nowMs: number,
  nonce: string,
): Record<string, string> {
  const created = Math.floor(nowMs / 1_000);
  const parameters =
    `${covered};created=${created};nonce="${nonce}"` + `;keyid="${node}";alg="ed25519"`;
  const signature = Buffer.from(key.sign(signedBytes(request, parameters))).toString('base64');
  return {
    'content-digest': digestOf(request.body),
    'signature-input': `sig=${parameters}`,
    signature: `sig=:${signature}:`,
  };
}

/** Who signed a request, when and with which nonce; nobody has verified it yet. */
export interface SignatureClaim {
  readonly node: string;
  readonly nonce: string;
  readonly createdMs: number;
  readonly parameters: string;
  readonly signature: Uint8Array;
}

/** @throws UnsignedRequest */
export function signatureClaim(headers: Readonly<Record<string, unknown>>): SignatureClaim {
  const input = inputForm.exec(String(headers['signature-input'] ?? ''));
  const signature = signatureForm.exec(String(headers.signature ?? ''));
  const [, parameters, created, nonce, node] = input ?? [];
  if (!parameters || !nonce || !node || !signature?.[1]) {
    throw new UnsignedRequest('the request has no signature of the expected form');
  }
  const createdMs = Number(created) * 1_000;
  return { node, nonce, createdMs, parameters, signature: Buffer.from(signature[1], 'base64') };
}

/** Whether the claimed node signed exactly this request, with this key. */
export function isSignedBy(
  publicKey: Uint8Array,
  request: SignedRequest,
  { parameters, signature }: SignatureClaim,
): boolean {
  return verifySignature(publicKey, signedBytes(request, parameters), signature);
}

function signedBytes({ method, path, body }: SignedRequest, parameters: string): Buffer {
  const lines = [
    `"@method": ${method}`,
    `"@path": ${path}`,
    `"content-digest": ${digestOf(body)}`,
    `"@signature-params": ${parameters}`,
  ];
  return Buffer.from(lines.join('\n'));
}

function digestOf(body: Uint8Array): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
}
