import { createPrivateKey } from 'node:crypto';
import { signCredential } from '#libs/keys/credential.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import type { ControlIdentity } from '#libs/multicast/signed-control.js';

/** PKCS#8 of an Ed25519 key up to its 32 bytes. */
const keyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * An enrolment that admits whoever a test names, as the control plane does with real agents. The
 * same 32 bytes make the same enrolment in several processes.
 */
export function testEnrolment(seed?: Uint8Array) {
  const enrolmentKey = signingKeyFromPem(seed ? pemOf(seed) : generatePrivateKeyPem());
  const identities = new Map<string, ControlIdentity>();
  return {
    keys: [enrolmentKey.publicKey],
    /** The same key for the same node. */
    identityOf(node: string, segment: string): ControlIdentity {
      const name = `${segment}/${node}`;
      const known = identities.get(name);
      if (known) return known;
      const key = signingKeyFromPem(generatePrivateKeyPem());
      const { publicKey } = key;
      const credential = signCredential(enrolmentKey, { node, segment, publicKey });
      const identity = { key, credential };
      identities.set(name, identity);
      return identity;
    },
  };
}

function pemOf(seed: Uint8Array): string {
  const key = createPrivateKey({
    key: Buffer.concat([keyPrefix, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}
