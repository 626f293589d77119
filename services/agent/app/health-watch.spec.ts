import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { goLive } from '#libs/interpreter/go-live.js';
import { defaultScrub, noHostPolicy } from '#libs/interpreter/host-policy.js';
import type { HostPrograms } from '#libs/interpreter/ports.js';
import { readSiteState } from '#libs/interpreter/recover.js';
import { switchTo } from '#libs/interpreter/switch.js';
import { TestSite } from '#libs/interpreter/test-site.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { HealthWatch } from './health-watch.js';
import { liveVersionsOf } from './site-versions.js';

let disk: TestSite;
let clock: VirtualClock;
let lines: string[];
let changes: number;
let watch: HealthWatch;

/** What the probe finds; undefined: the site works. */
let problem: string | undefined;

const programs: HostPrograms = {
  runHook: async () => undefined,
  probe: async (_probe, { ESPALIER_SITE: site, ESPALIER_SEQUENCE: sequence }) =>
    problem && `${problem} of ${site} ${sequence}`,
};
const location = () => ({ root: disk.root, site: 'www' });
const unhealthy = () =>
  watch
    .adjusted(liveVersionsOf(new Map([['www', readSiteState(location())]])))
    .map((version) => version.unhealthy);

beforeEach(async () => {
  disk = new TestSite();
  await disk.prepareFirst();
  problem = undefined;
  clock = new VirtualClock(0);
  lines = [];
  changes = 0;
  const sitePolicy = policyOf();
  await goLive({ ...location(), sequence: 1, sitePolicy }, { ...disk.ports, programs });
  watch = watching(1_000);
});
afterEach(() => {
  watch.close();
  return disk.remove();
});

const policyOf = () => ({ probe: { url: 'http://127.0.0.1/health', timeoutMs: 1 } });

function watching(healthEveryMs: number, onChanged: () => void = () => undefined): HealthWatch {
  return new HealthWatch({
    root: disk.root,
    policy: { ...noHostPolicy, scrub: { ...defaultScrub, healthEveryMs }, policyOf },
    programs,
    clock,
    onChanged: () => {
      changes += 1;
      onChanged();
    },
    log: (line) => void lines.push(line),
  });
}

describe('the watch on what is live', () => {
  test('says nothing of a site that works', async () => {
    await watch.round();
    expect({ changes, lines }).toEqual({ changes: 0, lines: [] });
    expect(unhealthy()).toEqual(['']);
  });

  test('says once that a site does not work any more, and once that it does again', async () => {
    problem = 'no sign';
    await watch.round();
    problem = 'still no sign';
    await watch.round();
    expect(unhealthy()).toEqual(['no sign of www 1']);
    expect(changes).toBe(1);
    problem = undefined;
    await watch.round();
    expect(unhealthy()).toEqual(['']);
    const said = ['not healthy: no sign of www 1', 'healthy again'];
    expect(lines).toEqual(said.map((text) => `version 1 of www is ${text}`));
  });

  test('holds nothing against a version that went live since', async () => {
    problem = 'no sign';
    await watch.round();
    await disk.publishNext('about.html', Buffer.from('about'));
    expect(unhealthy()).toEqual(['']);
  });

  test('leaves a switch whose own checks are not over alone', async () => {
    await disk.publishNext('about.html', Buffer.from('about'));
    await switchTo({ ...location(), sequence: 2 }, disk.ports);
    problem = 'no sign';
    await watch.round();
    expect(unhealthy()).toEqual(['']);
  });

  test('looks by itself, as often as the host policy says', async () => {
    problem = 'no sign';
    const found = new Promise<void>((resolve) => {
      watch = watching(1_000, resolve);
    });
    watch.start();
    clock.advance(999);
    expect(changes).toBe(0);
    clock.advance(1);
    await found;
    expect(lines).toHaveLength(1);
  });
});
