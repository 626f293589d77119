import { randomBytes } from 'node:crypto';
import type { Clock } from '#libs/clock/clock.js';
import type { PeerHttp } from '#libs/fleet-http/adapters/peer-http.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { signatureHeaders } from '#libs/keys/http-signature.js';

const nothing = new Uint8Array();

/**
 * Signs requests for content: for servers that see no certificate of this agent, because a proxy
 * ends TLS before them or there is none.
 */
export function signedContent(
  node: string,
  key: SigningKey,
  http: PeerHttp,
  clock: Clock,
): PeerHttp {
  return {
    request: (url, request) => {
      const { pathname, search } = new URL(url);
      if (!pathname.startsWith('/blobs/')) return http.request(url, request);
      const signed = {
        method: request.method ?? 'GET',
        path: `${pathname}${search}`,
        body: nothing,
      };
      const nonce = randomBytes(16).toString('base64url');
      const signature = signatureHeaders(node, key, signed, clock.nowMs(), nonce);
      return http.request(url, { ...request, headers: { ...request.headers, ...signature } });
    },
  };
}
