import { describe, expect, test } from '@jest/globals';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { encodeEnvelope, parseEnvelope, signEnvelope } from './envelope.js';
import {
  assignmentTrust,
  nextRoot,
  type RootDocument,
  readRootFile,
  rootPayloadType,
  writeRootFile,
} from './root-document.js';

const newKey = () => signingKeyFromPem(generatePrivateKeyPem());
const [a, b, c, d] = [newKey(), newKey(), newKey(), newKey()];
const [publisher, director] = [newKey(), newKey()];
const trust = (threshold: number, ...keys: ReturnType<typeof newKey>[]) => ({
  threshold,
  keys: keys.map((key) => key.publicKey),
});
const first: RootDocument = {
  version: 1,
  expiresAtMs: 1000,
  roots: trust(2, a, b, c),
  assignments: trust(2, publisher, director),
};
const second: RootDocument = { ...first, version: 2, roots: trust(2, b, c, d) };
const refused = (reason: string) => expect.objectContaining({ reason });

describe('a root document', () => {
  test('says whom to believe, when enough of its own root keys signed it', () => {
    const read = readRootFile(writeRootFile(first, [a, c]));
    expect(read).toEqual(first);
    expect(assignmentTrust(read, 999)).toEqual(first.assignments);
    expect(() => assignmentTrust(read, 1000)).toThrow(refused('expired'));
    for (const keys of [[a], [a, a], [a, d], []]) {
      expect(() => readRootFile(writeRootFile(first, keys))).toThrow(refused('untrusted'));
    }
  });

  test('follows another when the old and the new root keys signed it', () => {
    expect(nextRoot(first, writeRootFile(second, [b, c]), 0)).toEqual(second);
    expect(nextRoot(first, writeRootFile(second, [a, b, d]), 0)).toEqual(second);
    for (const keys of [[a, b], [b, d], [c, d], [d]]) {
      const bytes = writeRootFile(second, keys);
      expect(() => nextRoot(first, bytes, 0)).toThrow(refused('untrusted'));
    }
  });

  test('neither goes back nor leaves one out nor comes too late', () => {
    for (const version of [1, 3]) {
      const bytes = writeRootFile({ ...second, version }, [b, c]);
      expect(() => nextRoot(first, bytes, 0)).toThrow(refused('replayed'));
    }
    const bytes = writeRootFile(second, [b, c]);
    expect(() => nextRoot(first, bytes, 1000)).toThrow(refused('expired'));
  });

  const bad: [string, object][] = [
    ['a threshold of 0', { roots: { threshold: 0, keys: [] } }],
    ['a threshold that is a text', { roots: { threshold: '1', keys: [] } }],
    ['half a threshold', { roots: { threshold: 0.5, keys: [] } }],
    ['more signatures than keys', { assignments: { threshold: 1, keys: [] } }],
    ['no version', { version: undefined }],
    ['a version that is no number', { version: '1' }],
  ];
  test.each(bad)('with %s is refused', (_what, fields) => {
    const key = (of: typeof a) => Buffer.from(of.publicKey).toString('base64');
    const sound = { threshold: 1, keys: [key(a)] };
    const json = { version: 1, expiresAtMs: 9, roots: sound, assignments: sound, ...fields };
    const payload = Buffer.from(JSON.stringify(json));
    const bytes = encodeEnvelope(signEnvelope(rootPayloadType, payload, [a]));
    expect(() => readRootFile(bytes)).toThrow(refused('malformed'));
    const twice = { ...json, ...fields, roots: { threshold: 2, keys: [key(a), key(a)] } };
    const doubled = Buffer.from(JSON.stringify({ ...twice, version: 1 }));
    const bytesTwice = encodeEnvelope(signEnvelope(rootPayloadType, doubled, [a]));
    expect(() => readRootFile(bytesTwice)).toThrow(refused('malformed'));
  });

  test('is no assignment: a signature for one type does not count for another', () => {
    const { payload } = parseEnvelope(writeRootFile(first, [a, b]));
    const other = encodeEnvelope(signEnvelope('application/x-other', payload, [a, b]));
    expect(() => readRootFile(other)).toThrow(refused('untrusted'));
  });

  test('is refused when any one bit of it is flipped', () => {
    const bytes = writeRootFile(second, [b, c]);
    for (let bit = 0; bit < bytes.length * 8; bit += 17) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => nextRoot(first, flipped, 0)).toThrow(
        expect.objectContaining({ name: 'AssignmentRefused' }),
      );
    }
  });
});
