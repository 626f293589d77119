import { describe, expect, test } from '@jest/globals';
import { generatePrivateKeyPem, signingKeyFromPem, verifySignature } from './ed25519.js';
import { accountNkey, claimsIn, natsJwt } from './nats-jwt.js';

describe('the JWT of NATS', () => {
  test('names the key that signed it, and is signed by it', () => {
    const key = signingKeyFromPem(generatePrivateKeyPem());
    const jwt = natsJwt(key, 5_999, { sub: 'UX', aud: '$G', nats: { type: 'user' } });
    const [header = '', body = '', signature = ''] = jwt.split('.');
    const signed = Buffer.from(`${header}.${body}`);
    const bytes = Buffer.from(signature, 'base64url');
    expect(verifySignature(key.publicKey, signed, bytes)).toBe(true);
    expect(claimsIn(jwt)).toMatchObject({
      ...{ sub: 'UX', aud: '$G', iat: 5, iss: accountNkey(key.publicKey) },
      nats: { type: 'user' },
    });
  });
});
