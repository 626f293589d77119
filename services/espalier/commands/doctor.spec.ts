import { expect, test } from '@jest/globals';
import { findingsOf } from './doctor.js';

const complete = { zstd: 'libzstd', zstdPrefix: true, syncfs: true, syncMethod: 'syncfs' } as const;

test('a host that has everything needs no advice', () => {
  expect(findingsOf(complete).filter(({ advice }) => advice !== '')).toEqual([]);
});

test('a host without libzstd is told what to install', () => {
  const findings = findingsOf({ ...complete, zstd: 'decoder', zstdPrefix: false });
  const advised = findings.filter(({ advice }) => advice.includes('libzstd1'));
  expect(advised.map(({ what }) => what)).toEqual(['compression', 'patches']);
});
