import { describe, expect, it } from '@jest/globals';
import { requestedRange } from './http-range.js';

describe('the requested range', () => {
  it.each([
    [undefined, { kind: 'whole' }],
    ['bytes=0-9', { kind: 'part', offset: 0, length: 10 }],
    ['bytes=90-', { kind: 'part', offset: 90, length: 10 }],
    ['bytes=-5', { kind: 'part', offset: 95, length: 5 }],
    ['bytes=-500', { kind: 'part', offset: 0, length: 100 }],
    ['bytes=95-200', { kind: 'part', offset: 95, length: 5 }],
    ['bytes=100-', { kind: 'unsatisfiable' }],
    ['bytes=5-4', { kind: 'unsatisfiable' }],
    ['bytes=-0', { kind: 'unsatisfiable' }],
    ['bytes=0-1,5-6', { kind: 'whole' }],
    ['items=0-1', { kind: 'whole' }],
    ['bytes=-', { kind: 'whole' }],
  ])('of %s over 100 bytes is %o', (header, expected) => {
    expect(requestedRange(header, 100)).toEqual(expected);
  });
});
