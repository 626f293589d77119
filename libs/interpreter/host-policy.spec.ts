import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { readHostPolicy } from './adapters/host-policy-file.js';
import { parseHostPolicy } from './host-policy.js';
import { pathMatcher } from './site-policy.js';

const hooks = { reload: { command: ['/usr/sbin/nginx', '-s', 'reload'], timeoutMs: 2000 } };
const site = (fields: object) => JSON.stringify({ hooks, sites: { www: fields } });

describe('the host policy', () => {
  it('gives each site what is said of it and of every site', () => {
    const policy = parseHostPolicy(
      JSON.stringify({
        hooks,
        sites: {
          '*': { keptVersions: 5, versions: 'read-only' },
          www: {
            keptVersions: 1,
            afterSwitch: ['reload'],
            probe: { url: 'http://127.0.0.1/' },
            names: 'portable',
            links: 'inside',
          },
        },
      }),
    );
    expect(policy.policyOf('www')).toEqual({
      hooks,
      keptVersions: 1,
      versions: 'read-only',
      afterSwitch: ['reload'],
      probe: { url: 'http://127.0.0.1/', timeoutMs: 10_000 },
      names: 'portable',
      links: 'inside',
    });
    expect(policy.policyOf('shop')).toEqual({ hooks, keptVersions: 5, versions: 'read-only' });
  });

  it.each([
    ['no JSON', '{'],
    ['an unknown field', '{"hook": {}}'],
    ['an unknown field of a site', site({ kept: 1 })],
    ['a hook that is text', '{"hooks": {"a": {"command": "rm -rf /"}}}'],
    ['a program that is searched for', '{"hooks": {"a": {"command": ["nginx"]}}}'],
    ['a hook that is not there', site({ beforeSwitch: ['restart'] })],
    ['a hook by an inherited name', site({ beforeSwitch: ['constructor'] })],
    ['a live directory that is relative', site({ liveDirectory: 'srv' })],
    ['a probe of a file', site({ probe: { url: 'file:///etc/passwd' } })],
    ['a negative number of versions', site({ keptVersions: -1 })],
    ['an unknown way to keep versions', site({ versions: 'locked' })],
    ['an unknown way to take drift', site({ drift: 'panic' })],
    ['an unknown kind of names', site({ names: 'short' })],
    ['an unknown kind of links', site({ links: 'hard' })],
    ['a scrub that never pauses', '{"scrub": {"contentEveryMs": -1}}'],
  ])('is refused with %s', (_, text) => {
    expect(() => parseHostPolicy(text)).toThrow(expect.objectContaining({ name: 'BadHostPolicy' }));
  });

  it('of the example is right', () => {
    const example = new URL('../../../deploy/examples/application/host.json', import.meta.url);
    const { probe, afterSwitch } = readHostPolicy(fileURLToPath(example)).policyOf('orders');
    expect({ probe, afterSwitch }).toEqual({
      probe: { url: 'http://127.0.0.1:8080/health', timeoutMs: 10_000 },
      afterSwitch: ['restart'],
    });
  });

  it('says how live trees are compared with what was signed', () => {
    const text = '{"scrub": {"contentEveryMs": 5}, "sites": {"*": {"drift": "repair"}}}';
    const policy = parseHostPolicy(text);
    expect(policy.scrub).toMatchObject({ attributesEveryMs: 3_600_000, contentEveryMs: 5 });
    expect(policy.policyOf('www').drift).toBe('repair');
  });

  it('allows nothing when there is no file, and is read when there is one', () => {
    const directory = mkdtempSync(join(tmpdir(), 'policy-'));
    expect(readHostPolicy(join(directory, 'host.json')).policyOf('www')).toEqual({});
    writeFileSync(join(directory, 'host.json'), site({ keptVersions: 9 }));
    expect(readHostPolicy(join(directory, 'host.json')).policyOf('www').keptVersions).toBe(9);
    rmSync(directory, { recursive: true });
  });
});

it.each([
  ['uploads/**', 'uploads/a/b', true],
  ['uploads/**', 'uploadsx', false],
  ['*.log', 'a.log', true],
  ['*.log', 'a/b.log', false],
  ['**/*.log', 'a/b.log', true],
  ['**/*.log', 'b.log', true],
  ['a?c', 'abc', true],
  ['a.c', 'abc', false],
])('the pattern %s matches %s: %s', (pattern, path, expected) => {
  expect(pathMatcher(['never', pattern])(path)).toBe(expected);
});
