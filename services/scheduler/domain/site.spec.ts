import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { CreateSiteSchema, event } from '#libs/contracts/index.js';
import { InvalidName, InvalidStaging, SiteExists } from './errors.js';
import { type SiteEvent, siteAggregate } from './site.js';

const www = create(CreateSiteSchema, {
  site: 'www',
  staging: '/srv/www',
  filters: [{ include: false, pattern: '*.tmp' }],
  policy: { neverCompress: ['.jpg'], keptVersions: 3 },
});
const created = event('SiteCreated', {
  site: 'www',
  staging: '/srv/www',
  filters: [{ include: false, pattern: '*.tmp' }],
  policy: { neverCompress: ['.jpg'], keptVersions: 3 },
});

function outcomeOf(events: SiteEvent[], command: typeof www) {
  const state = events.reduce(siteAggregate.evolve, siteAggregate.initial);
  return siteAggregate.decide(command, state);
}

describe('a site', () => {
  test('is created with its settings', () => {
    expect(outcomeOf([], www)).toEqual([created]);
  });

  test('is not created twice by the same command', () => {
    expect(outcomeOf([created], www)).toEqual([]);
  });

  test('does not take other settings', () => {
    expect(() => outcomeOf([created], { ...www, staging: '/srv/other' })).toThrow(SiteExists);
    expect(() => outcomeOf([created], { ...www, filters: [] })).toThrow(SiteExists);
  });

  test.each(['', 'WWW', '-www', 'w.w', 'a/b', '..', 'a'.repeat(64)])('is not called %j', (site) => {
    expect(() => outcomeOf([], { ...www, site })).toThrow(InvalidName);
  });

  test.each(['w', '0', 'a-b-', 'a'.repeat(63)])('may be called %j', (site) => {
    expect(outcomeOf([], { ...www, site })).toHaveLength(1);
  });

  test.each(['', 'srv/www', './www', '~/www'])('is not staged at %j', (staging) => {
    expect(() => outcomeOf([], { ...www, staging })).toThrow(InvalidStaging);
  });
});
