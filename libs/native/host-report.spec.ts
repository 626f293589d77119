import { expect, test } from '@jest/globals';
import { probeNative } from './capabilities.js';
import { reportHost } from './host-report.js';
import { hasOpenat2 } from './openat2.js';
import { canExchange } from './renameat2.js';

test('a host is reported as its parts are probed, again and again', () => {
  const report = reportHost();
  expect(report).toEqual({
    ...probeNative(),
    openat2: hasOpenat2(),
    renameat2: canExchange(),
    udpOffload: expect.any(Boolean),
  });
  expect(reportHost()).toEqual(report);
});
