import { describe, expect, test } from '@jest/globals';
import { differences } from './differences.js';
import { InvalidObjectFile, objectsIn } from './object-file.js';

const file = `
kind: Site
name: www
spec:
  staging: /srv/www
  filters: [{pattern: '*.tmp'}]
---
kind: Group
name: web
spec:
  site: www
  membership: {selector: location=paris}
  maintenance: {windows: [{cron: 0 22 * * *, durationMs: 4h, timeZone: Europe/Paris}]}
---
kind: Job
name: nightly
spec:
  site: www
  type: publish
  triggers:
    - cron: {expression: 0 3 * * *, timeZone: Europe/Paris}
    - event: {type: build.done}
    - at: {atMs: 2030-01-31T12:00:00Z}
  policies:
    conflict: replace
    rollout: {waves: [{percent: 10}], soakMs: 10m}
`;

describe('a file of objects', () => {
  test('says sites, groups and jobs in words that people use', () => {
    const [site, group, job] = objectsIn(file, 'fleet.yaml');
    expect(site).toMatchObject({ kind: 'Site', name: 'www', settings: { staging: '/srv/www' } });
    expect(group?.settings).toMatchObject({
      maintenance: { windows: [{ durationMs: '14400000' }] },
    });
    expect(job?.settings).toMatchObject({
      type: 'JOB_TYPE_PUBLISH',
      triggers: [
        { cron: { expression: '0 3 * * *' } },
        { event: { type: 'build.done' } },
        { at: { atMs: String(Date.parse('2030-01-31T12:00:00Z')) } },
      ],
      policies: { conflict: 'CONFLICT_POLICY_REPLACE', rollout: { soakMs: '600000' } },
    });
  });

  test('says the values of configuration files as text', () => {
    const text = `
kind: Site
name: www
spec:
  staging: /srv/www
  configuration: {app.json: {port: 8080, greeting: hello, timeoutMs: 5}}`;
    const [site] = objectsIn(text, 'fleet.yaml');
    expect(site?.configuration).toMatchObject({
      only: true,
      set: [
        { path: 'app.json', key: 'port', value: '8080' },
        { path: 'app.json', key: 'greeting', value: 'hello' },
        { path: 'app.json', key: 'timeoutMs', value: '5' },
      ],
    });
    const configuration = { 'app.json': { port: '8080', greeting: 'hello', timeoutMs: '5' } };
    expect(site?.settings).toEqual({ staging: '/srv/www', configuration });
    expect(site?.body).toEqual({ site: 'www', staging: '/srv/www' });
  });

  test.each([
    ['kind: Site\nname: x\nspec: {staging: /x, configuration: {a.json: 1}}', /FILE: {KEY/],
    ['kind: Fleet\nname: x', /no Site, Group or Job/],
    ['kind: Job', /no name/],
    ['kind: Job\nname: x\nspec: {sight: www}', /Job x.*sight/],
    ['kind: Job\nname: x\nextra: 1', /extra is unknown/],
    ['kind: [', /fleet.yaml/],
  ])('%j is refused with the reason', (text, reason) => {
    expect(() => objectsIn(text, 'fleet.yaml')).toThrow(InvalidObjectFile);
    expect(() => objectsIn(text, 'fleet.yaml')).toThrow(reason);
  });

  test('without objects says nothing', () => {
    expect(objectsIn('', 'empty.yaml')).toEqual([]);
  });
});

describe('differences', () => {
  test('are told field by field', () => {
    const before = { site: 'www', paths: ['a', 'b'], commit: { lead: 1 } };
    const after = { site: 'www', paths: ['a'], commit: { lead: 2 }, to: '7' };
    expect(differences(before, after)).toEqual([
      { path: 'commit.lead', from: '1', to: '2' },
      { path: 'paths[1]', from: 'b', to: '' },
      { path: 'to', from: '', to: '7' },
    ]);
    expect(differences(after, after)).toEqual([]);
    expect(differences(undefined, { site: 'www' })).toHaveLength(1);
  });
});
