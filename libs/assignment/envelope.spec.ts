import { expect, test } from '@jest/globals';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import {
  encodeEnvelope,
  openEnvelope,
  parseEnvelope,
  preAuthenticationEncoding,
  signEnvelope,
} from './envelope.js';

const newKey = () => signingKeyFromPem(generatePrivateKeyPem());
const [a, b, c] = [newKey(), newKey(), newKey()];
const type = 'application/x-test';
const payload = new TextEncoder().encode('what is signed');
const untrusted = expect.objectContaining({ reason: 'untrusted' });

test('the signed bytes are those of the DSSE specification', () => {
  const encoded = preAuthenticationEncoding(
    'http://example.com/HelloWorld',
    Buffer.from('hello world'),
  );
  expect(encoded.toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
});

test('two of three keys suffice where two are asked for, one does not', () => {
  const trust = { keys: [a, b, c].map((key) => key.publicKey), threshold: 2 };
  expect(openEnvelope(signEnvelope(type, payload, [a, c]), type, trust)).toEqual(payload);
  expect(() => openEnvelope(signEnvelope(type, payload, [b]), type, trust)).toThrow(untrusted);
});

test('a key counts once, however often it signed or is trusted', () => {
  const trust = { keys: [a.publicKey, a.publicKey, b.publicKey], threshold: 2 };
  expect(() => openEnvelope(signEnvelope(type, payload, [a, a]), type, trust)).toThrow(untrusted);
});

test('a key under another name than its own hash does not count', () => {
  const renamed = { ...a, keyId: b.keyId };
  const trust = { keys: [a.publicKey, b.publicKey], threshold: 2 };
  const envelope = signEnvelope(type, payload, [a, renamed]);
  expect(() => openEnvelope(envelope, type, trust)).toThrow(untrusted);
});

test.each([0, -1, 0.5, Number.NaN, '1' as unknown as number])(
  'a threshold of %p trusts nobody',
  (threshold) => {
    const trust = { keys: [a.publicKey], threshold };
    expect(() => openEnvelope(signEnvelope(type, payload, [a]), type, trust)).toThrow(untrusted);
  },
);

test('signatures of strangers are passed over, wrong ones of friends are not', () => {
  const trust = { keys: [a.publicKey, b.publicKey], threshold: 1 };
  expect(openEnvelope(signEnvelope(type, payload, [c, a]), type, trust)).toEqual(payload);
  const signed = signEnvelope(type, payload, [a, b]);
  const other = signEnvelope(type, Buffer.from('something else'), [b]);
  const mixed = { ...signed, signatures: [...signed.signatures.slice(0, 1), ...other.signatures] };
  expect(() => openEnvelope(mixed, type, trust)).toThrow(untrusted);
});

test('what was signed as one type is not accepted as another', () => {
  const trust = { keys: [a.publicKey], threshold: 1 };
  const checkpoint = signEnvelope('application/x-checkpoint', payload, [a]);
  expect(() => openEnvelope(checkpoint, type, trust)).toThrow(untrusted);
  const relabelled = { ...checkpoint, payloadType: type };
  expect(() => openEnvelope(relabelled, type, trust)).toThrow(untrusted);
});

test('a key of small order is not trusted', () => {
  const weak = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.alloc(32)]);
  const trust = { keys: [a.publicKey, weak], threshold: 1 };
  expect(() => openEnvelope(signEnvelope(type, payload, [a]), type, trust)).toThrow('small order');
});

test('only the canonical form is read', () => {
  const bytes = encodeEnvelope(signEnvelope(type, payload, [a]));
  expect(parseEnvelope(bytes).payload).toEqual(Buffer.from(payload));
  const text = Buffer.from(bytes).toString();
  const others = [
    '',
    '{',
    'null',
    '[]',
    '{}',
    '1e999',
    ` ${text}`,
    `\ufeff${text}`,
    text.replace('{"payload"', '{"payload":"","payload"'),
    text.replace('"sig":', '"__proto__":{},"sig":'),
    text.replace('"signatures":[', '"signatures":[null,'),
    text.replace(/"payload":"[^"]*"/, '"payload":7'),
    '['.repeat(100_000),
  ];
  for (const other of others) {
    expect(() => parseEnvelope(Buffer.from(other))).toThrow(
      expect.objectContaining({ reason: 'malformed' }),
    );
  }
  expect(() => parseEnvelope(Buffer.from([0xff, 0xfe]))).toThrow('canonical');
});

test('an envelope with very many signatures is refused', () => {
  const bytes = encodeEnvelope(signEnvelope(type, payload, Array(17).fill(a)));
  expect(() => parseEnvelope(bytes)).toThrow('signatures');
});
