import { expect, test } from '@jest/globals';
import { canonicalQuery, emptyDigest, encodeStrictly, signedHeaders } from './signature.js';

// The examples of the service's own documentation of Signature Version 4.
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};
const host = 'examplebucket.s3.amazonaws.com';
const nowMs = Date.UTC(2013, 4, 24);

test.each([
  [
    'a range of an object',
    { path: '/test.txt', query: {}, headers: { range: 'bytes=0-9' } },
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'a sub-resource of a bucket',
    { path: '/', query: { lifecycle: '' } },
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    'a list',
    { path: '/', query: { prefix: 'J', 'max-keys': '2' } },
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
])('the signature of %s is the documented one', (_what, request, signature) => {
  const headers = signedHeaders(
    { method: 'GET', host, payloadDigest: emptyDigest, ...request },
    credentials,
    nowMs,
  );
  expect(headers.authorization).toContain(`Signature=${signature}`);
});

test('everything but unreserved characters is encoded', () => {
  expect(encodeStrictly("a-Z_0.~/ !'()*é")).toBe('a-Z_0.~%2F%20%21%27%28%29%2A%C3%A9');
  expect(canonicalQuery({ b: '/', a: '' })).toBe('a=&b=%2F');
});
