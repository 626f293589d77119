import { createPrivateKey, createPublicKey } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { generatePrivateKeyPem, signingKeyFromPem, UnacceptableKey } from './ed25519.js';
import {
  agreementPrivateKey,
  agreementPublicKey,
  ephemeralPair,
  publicKeyOf,
  sharedSecret,
} from './x25519.js';

const raw = (spki: Buffer) => spki.subarray(-32).toString('hex');

test('the public key that follows from a public key belongs to the private one', () => {
  for (let run = 0; run < 20; run++) {
    const pem = generatePrivateKeyPem();
    const { publicKey } = signingKeyFromPem(pem);
    const ofPrivate = createPublicKey(agreementPrivateKey(pem));
    const ofPublic = agreementPublicKey(publicKey);
    const der = { format: 'der', type: 'spki' } as const;
    expect(raw(ofPublic.export(der))).toBe(raw(ofPrivate.export(der)));
  }
});

test('the conversion is that of libsodium', () => {
  // The example of crypto_sign_ed25519_pk_to_curve25519 in libsodium's tests (ed25519_convert).
  const seed = '421151a459faeade3d247115f94aedae42318124095afabe4d1451a559faedee';
  const key = Buffer.concat([
    Buffer.from('302e020100300506032b657004220420', 'hex'),
    Buffer.from(seed, 'hex'),
  ]);
  const pem = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString();
  const converted = agreementPublicKey(signingKeyFromPem(pem).publicKey);
  expect(raw(converted.export({ format: 'der', type: 'spki' }))).toBe(
    'f1814f0e8ff1043d8a44d25babff3cedcae6c22c3edaa48f857ae70de2baae50',
  );
});

test('both sides come to the same secret', () => {
  const pem = generatePrivateKeyPem();
  const { privateKey, publicKey } = ephemeralPair();
  const sent = sharedSecret(privateKey, agreementPublicKey(signingKeyFromPem(pem).publicKey));
  expect(sharedSecret(agreementPrivateKey(pem), publicKeyOf(publicKey))).toEqual(sent);
});

test('keys under which everybody would know the secret are refused', () => {
  const identity = Buffer.from(`302a300506032b6570032100${'01'.padEnd(64, '0')}`, 'hex');
  expect(() => agreementPublicKey(identity)).toThrow(UnacceptableKey);
  const { privateKey } = ephemeralPair();
  expect(() => sharedSecret(privateKey, publicKeyOf(new Uint8Array(32)))).toThrow();
});
