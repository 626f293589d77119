import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { LiveVersionSchema } from '#libs/contracts/index.js';
import { serviceHealth } from './service-health.js';

const version = (site: string, byte: number, sequence = 1n) =>
  create(LiveVersionSchema, { site, sequence, treeDigest: new Uint8Array(32).fill(byte) });

describe('the health that load balancers see', () => {
  test('is good when a server serves what it is to serve, or is to serve nothing', () => {
    const live = [version('www', 1)];
    expect(serviceHealth([version('www', 1)], live, live).inService).toBe(true);
    expect(serviceHealth([], live, live).inService).toBe(true);
    expect(serviceHealth([], [], [])).toEqual({ inService: true, sites: [] });
  });

  test('is bad, and says why, while a site is missing or old', () => {
    const expected = [version('www', 2), version('shop', 3)];
    const health = serviceHealth(expected, [version('www', 1)], [version('www', 1)]);
    expect(health.inService).toBe(false);
    expect(health.sites).toMatchObject(
      [
        { site: 'shop', inService: false, sequence: '0', reason: /not synchronized/ },
        { site: 'www', inService: false, sequence: '1' },
      ].map((site) => expect.objectContaining({ ...site, reason: expect.any(String) })),
    );
  });

  test('is bad while the others have switched, until this server has too', () => {
    const live = [version('www', 1)];
    const late = new Map([['www', 1n]]);
    expect(serviceHealth([], live, live, late)).toMatchObject({
      inService: false,
      sites: [{ site: 'www', reason: 'the others have switched' }],
    });
    expect(serviceHealth([], [version('www', 2, 2n)], live, late).inService).toBe(true);
    expect(serviceHealth([], [], [], new Map([['www', 0n]])).inService).toBe(false);
  });

  test('is good again after a switch, whatever was expected at the start', () => {
    const live = [version('www', 9, 7n)];
    expect(serviceHealth([version('www', 2)], live, [version('www', 1)]).inService).toBe(true);
  });
});
