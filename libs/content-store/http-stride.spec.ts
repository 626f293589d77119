import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { stridedBytes, stridedParts, strideIn, strideQuery } from './http-stride.js';

const anyStride = fc
  .record({
    fromByte: fc.nat(1_000),
    takeBytes: fc.integer({ min: 1, max: 300 }),
    restBytes: fc.nat(300),
  })
  .map(({ restBytes, ...stride }) => ({ ...stride, everyBytes: stride.takeBytes + restBytes }));

describe('a stride', () => {
  test('is in a query what it was before', () => {
    fc.assert(
      fc.property(anyStride, (stride) => {
        expect(strideIn(`/blobs/x?${strideQuery(stride)}`)).toEqual(stride);
      }),
    );
  });

  test('takes as many bytes as its parts have, each byte of every turn once', () => {
    fc.assert(
      fc.property(anyStride, fc.nat(2_000), (stride, sizeBytes) => {
        const { fromByte, takeBytes, everyBytes } = stride;
        const taken: number[] = [];
        for (const { offset, length } of stridedParts(stride, sizeBytes)) {
          for (let at = offset; at < offset + length; at++) taken.push(at);
        }
        const wanted = Array.from({ length: sizeBytes }, (_, at) => at).filter(
          (at) => at >= fromByte && (at - fromByte) % everyBytes < takeBytes,
        );
        expect(taken).toEqual(wanted);
        expect(stridedBytes(stride, sizeBytes)).toBe(wanted.length);
      }),
    );
  });

  test.each([
    '/blobs/x',
    '/blobs/x?from=0&take=0&every=4',
    '/blobs/x?from=0&take=5&every=4',
    '/blobs/x?from=-1&take=1&every=4',
    '/blobs/x?from=0&take=1&every=4&more',
    '/blobs/x?take=1&every=4&from=0',
  ])('is not in %s', (url) => expect(strideIn(url)).toBeUndefined());
});
