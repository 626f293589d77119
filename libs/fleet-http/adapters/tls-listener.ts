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

/**
 * Whether a client has shown a certificate of the fleet; over plain HTTP nobody is asked. A resumed
 * session counts as authorized even if it was begun without a certificate, so a name must be there.
 */
export function isOfFleet({ socket }: IncomingMessage): boolean {
  if (!(socket instanceof TLSSocket)) return true;
  const { subjectaltname } = socket.getPeerCertificate();
  const isNamed = nodeIn(subjectaltname) !== undefined || isControlPlane(subjectaltname);
  return socket.authorized && isNamed;
}
