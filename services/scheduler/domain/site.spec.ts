import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import {
  CreateSiteSchema,
  EditSiteSchema,
  event,
  SitePolicySchema,
} from '#libs/contracts/index.js';
import {
  InvalidEncryption,
  InvalidName,
  InvalidStaging,
  SiteExists,
  UnknownSite,
} from './errors.js';
import { type SiteCommand, type SiteEvent, siteAggregate } from './site.js';

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

function outcomeOf(events: SiteEvent[], data: typeof www) {
  return decided(events, { type: 'CreateSite', data });
}

function decided(events: SiteEvent[], command: SiteCommand) {
  const state = events.reduce(siteAggregate.evolve, siteAggregate.initial);
  return siteAggregate.decide(command, state);
}

function edit(init: MessageInitShape<typeof EditSiteSchema>): SiteCommand {
  return { type: 'EditSite', data: create(EditSiteSchema, { site: 'www', ...init }) };
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

  test.each(['pushed:', 'servers:build', 'servers:build,media=video'])(
    'may be staged at %s',
    (on) => {
      expect(outcomeOf([], { ...www, staging: on })).toHaveLength(1);
    },
  );

  test.each(['', 'srv/www', './www', '~/www', 'servers:', 'servers:b=..'])(
    'is not staged at %j',
    (staging) => {
      expect(() => outcomeOf([], { ...www, staging })).toThrow(InvalidStaging);
    },
  );

  const encryption = 'aes-256-gcm';
  test.each([
    { encryption },
    { encryption: 'none' },
    { encryption, neverEncrypt: ['.jpg', '.mp4'] },
    { encryption, encryptOnly: ['.key'] },
  ])('may be encrypted as %j', (asked) => {
    const policy = create(SitePolicySchema, asked);
    expect(outcomeOf([], { ...www, policy })).toHaveLength(1);
  });

  test.each([
    { encryption: 'rot13' },
    { neverEncrypt: ['.jpg'] },
    { encryption: 'none', encryptOnly: ['.key'] },
    { encryption, neverEncrypt: ['.jpg'], encryptOnly: ['.key'] },
    { encryption, encryptOnly: ['key'] },
    { encryption, encryptOnly: ['.KEY'] },
    { encryption, encryptOnly: ['.tar.gz'] },
  ])('is not encrypted as %j', (asked) => {
    const policy = create(SitePolicySchema, asked);
    expect(() => outcomeOf([], { ...www, policy })).toThrow(InvalidEncryption);
    expect(() => decided([created], edit({ staging: '/srv', policy }))).toThrow(InvalidEncryption);
  });

  test('takes other settings when it is edited; an absent policy stays', () => {
    const moved = decided([created], edit({ staging: '/srv/other' }));
    expect(moved).toMatchObject([{ type: 'SiteEdited', data: { staging: '/srv/other' } }]);
    const { filters, policy } = created.data;
    expect(decided([created, ...moved], edit({ staging: '/srv/other', policy }))).toEqual([]);
    expect(decided([created], edit({ staging: '/srv/www', filters }))).toEqual([]);
    const kept = { neverCompress: ['.jpg'], keptVersions: 9 };
    expect(decided([created], edit({ staging: '/srv/www', filters, policy: kept }))).toHaveLength(
      1,
    );
  });

  test('that is not there, or would be staged nowhere, is not edited', () => {
    expect(() => decided([], edit({ staging: '/srv' }))).toThrow(UnknownSite);
    expect(() => decided([created], edit({ staging: 'srv' }))).toThrow(InvalidStaging);
  });
});
