import type { IncomingMessage } from 'node:http';
import type { ServerOptions } from 'node:https';
import { TLSSocket } from 'node:tls';
import type { TlsIdentity } from '#libs/keys/key-provider.js';
import { isControlPlane, nodeIn } from '#libs/keys/tls-names.js';

/** Of an HTTPS server that asks for a certificate of its fleet and serves, in part, without. */
export function listenerOptions(identity: TlsIdentity): ServerOptions {
  return {
    key: identity.privateKey,
    cert: identity.certificate,
    ca: [...identity.authorities],
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: false,
  };
}

/** Whether an agent may serve a client; over plain HTTP nobody is asked. */
export function isOfFleet(request: IncomingMessage): boolean {
  return !(request.socket instanceof TLSSocket) || showsCertificate(request);
}

/**
 * Whether a client has shown a certificate of the fleet. A resumed session counts as authorized
 * even if it was begun without a certificate, so a name must be there.
 */
export function showsCertificate({ socket }: IncomingMessage): boolean {
  if (!(socket instanceof TLSSocket)) return false;
  const { subjectaltname } = socket.getPeerCertificate();
  const isNamed = nodeIn(subjectaltname) !== undefined || isControlPlane(subjectaltname);
  return socket.authorized && isNamed;
}

/** The key, SPKI DER, of the certificate that a client has shown; undefined: it has shown none. */
export function keyShown({ socket }: IncomingMessage): Uint8Array | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  return socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' });
}
