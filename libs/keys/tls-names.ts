/*
 * Who a TLS certificate speaks for: one URI in its subjectAltName, compared as a whole. Addresses
 * say nothing: servers move, and the control plane does not copy what an agent claims.
 */

/** The control plane's servers. */
export const controlPlaneUri = 'urn:espalier:control-plane';

const nodePrefix = 'urn:espalier:node:';

/** An enrolled server. */
export function nodeUri(node: string): string {
  return `${nodePrefix}${node}`;
}

/** The names that `subjectAltName` (as Node prints it) holds. */
function urisIn(subjectAltName: string): string[] {
  return subjectAltName
    .split(', ')
    .filter((name) => name.startsWith('URI:'))
    .map((name) => name.slice('URI:'.length));
}

export function isControlPlane(subjectAltName: string | undefined): boolean {
  return urisIn(subjectAltName ?? '').includes(controlPlaneUri);
}

/** The node, if it is the certificate of one. */
export function nodeIn(subjectAltName: string | undefined): string | undefined {
  const uri = urisIn(subjectAltName ?? '').find((each) => each.startsWith(nodePrefix));
  return uri?.slice(nodePrefix.length);
}
