import type { SigningKey } from './ed25519.js';
import { type SignedRequest, signatureHeaders } from './http-signature.js';

/** What an agent signs to connect to NATS: nothing that any other request could be. */
export const natsConnect: SignedRequest = {
  method: 'CONNECT',
  path: 'nats',
  body: new Uint8Array(),
};

/**
 * What an agent shows for a password: its signature, good once and for a minute.
 * @param nowMs by the control plane's clock
 */
export function natsPassword(node: string, key: SigningKey, nowMs: number, nonce: string): string {
  const headers = signatureHeaders(node, key, natsConnect, nowMs, nonce);
  return `${headers['signature-input']} ${headers.signature}`;
}

/** The signature in a password, as headers of a request would have it. */
export function signInHeaders(password: string): Record<string, string> {
  const at = password.lastIndexOf(' ');
  return { 'signature-input': password.slice(0, at), signature: password.slice(at + 1) };
}
