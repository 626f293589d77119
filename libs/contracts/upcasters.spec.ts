import { describe, expect, it } from '@jest/globals';
import { type CloudEvent, event, fromCloudEvent, toCloudEvent } from './index.js';
import { upcast } from './upcasters.js';

const today = toCloudEvent({
  ...event('SiteCreated', { site: 'www', staging: '/srv/www' }),
  id: 'e1',
  aggregate: { type: 'site', id: 'www' },
  version: 1,
  timeMs: 0,
  context: { actor: 'cli:ann', correlationId: 'c', causationId: 'c' },
});
const earliest = {
  ...today,
  type: 'espalier.v0.SiteMade',
  data: { name: 'www', path: '/srv/www' },
};
const steps = {
  'espalier.v0.SiteMade': (old: CloudEvent): CloudEvent => {
    const { name, path } = old.data as { name: string; path: string };
    return { ...old, type: 'espalier.v0.SiteCreated', data: { site: name, staging: path } };
  },
  'espalier.v0.SiteCreated': (old: CloudEvent): CloudEvent => ({
    ...old,
    type: 'espalier.v1.SiteCreated',
  }),
};

describe('upcasters', () => {
  it('bring an old event through every version to the one of today', () => {
    expect(fromCloudEvent(upcast(earliest, steps), 3)).toEqual(fromCloudEvent(today, 3));
  });

  it('leave an event of today, and one of an unknown version, as they are', () => {
    expect(upcast(today, steps)).toBe(today);
    const unknown = { ...today, type: 'espalier.v9.Unheard' };
    expect(upcast(unknown, steps)).toBe(unknown);
  });

  it('are refused when they go in a circle', () => {
    const circle = { ...steps, 'espalier.v1.SiteCreated': () => earliest };
    expect(() => upcast(earliest, circle)).toThrow(/circle/);
  });
});
