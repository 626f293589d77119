import { expect, test } from '@jest/globals';
import type { HostReport } from '#libs/native/host-report.js';
import { findingsOf } from './doctor.js';

const complete: HostReport = {
  ...{ zstd: 'libzstd', zstdPrefix: true, syncfs: true, syncMethod: 'syncfs' },
  ...{ openat2: true, renameat2: true, udpOffload: true },
};

test('a host that has everything needs no advice', () => {
  expect(findingsOf(complete).filter(({ advice }) => advice !== '')).toEqual([]);
});

test('a host without libzstd is told what to install', () => {
  const findings = findingsOf({ ...complete, zstd: 'decoder', zstdPrefix: false });
  const advised = findings.filter(({ advice }) => advice.includes('libzstd1'));
  expect(advised.map(({ what }) => what)).toEqual(['compression', 'patches']);
});

test('a host without foreign calls is told what it does instead', () => {
  const findings = findingsOf({
    ...{ zstd: 'node', zstdPrefix: false, syncfs: false, syncMethod: 'fsync-walk' },
    ...{ openat2: false, renameat2: false, udpOffload: false },
  });
  const advised = findings.filter(({ advice }) => advice.includes('koffi'));
  expect(advised.map(({ what }) => what)).toEqual([
    ...['flushing to disk', 'opening paths', 'exchanging names', 'multicast'],
  ]);
});
