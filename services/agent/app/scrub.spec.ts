import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import type { Clock } from '#libs/clock/clock.js';
import { emptyManifest } from '#libs/content-store/manifest.js';
import { noHostPolicy } from '#libs/interpreter/host-policy.js';
import { readSiteState, recover } from '#libs/interpreter/recover.js';
import type { SitePolicy } from '#libs/interpreter/site-policy.js';
import { rollback, switchTo } from '#libs/interpreter/switch.js';
import { file, TestAssignment } from '#libs/interpreter/test-commands.js';
import { TestSite } from '#libs/interpreter/test-site.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { Scrub } from './scrub.js';
import { liveVersionsOf } from './site-versions.js';

let disk: TestSite;
let lines: string[];
let changes: number;

beforeEach(async () => {
  disk = new TestSite();
  await disk.prepareFirst();
  await switchTo({ root: disk.root, site: 'www', sequence: 1 }, disk.ports);
  await disk.publishNext('about.html', Buffer.from('about'));
  lines = [];
  changes = 0;
});
afterEach(() => disk.remove());

function scrubWith(
  drift: SitePolicy['drift'],
  clock: Clock = systemClock,
  onChanged: () => void = () => undefined,
): Scrub {
  return new Scrub({
    root: disk.root,
    policy: { ...noHostPolicy, policyOf: () => ({ drift }) },
    clock,
    onChanged: () => {
      changes += 1;
      onChanged();
    },
    log: (line) => void lines.push(line),
  });
}

const location = () => ({ root: disk.root, site: 'www' });
const registered = (scrub: Scrub) =>
  scrub.adjusted(liveVersionsOf(new Map([['www', readSiteState(location())]])));
const edit = (path: string) => writeFileSync(join(disk.version(2), path), 'edited by hand');

test('a sound tree is registered as it is', async () => {
  const scrub = scrubWith('repair');
  await scrub.round('content', 1);
  expect(registered(scrub)).toMatchObject([{ site: 'www', sequence: 2n, drifted: 0 }]);
  expect({ changes, lines }).toEqual({ changes: 0, lines: [] });
});

test('an edited file is said once, with its path; nothing is given up', async () => {
  const scrub = scrubWith('report');
  edit('index.html');
  await scrub.round('content', 1);
  await scrub.round('content', 1);
  expect(lines).toEqual(['version 2 of www differs in 1: "index.html"']);
  expect(changes).toBe(1);
  const [version] = registered(scrub);
  expect(version).toMatchObject({ drifted: 1, sequence: 2n });
  expect(version?.treeDigest).toHaveLength(32);
});

test('where it is to be repaired, every version with the damaged inode is given up', async () => {
  const scrub = scrubWith('repair');
  edit('css/main.css');
  await scrub.round('attributes', 1);
  expect(lines[0]).toMatch(/given up: 2, 1$/);
  const [version] = registered(scrub);
  expect(version).toMatchObject({ drifted: 1, sequence: 2n, keptTrees: [] });
  expect(version?.treeDigest).toHaveLength(0);
  expect(readFileSync(join(disk.root, 'sites/www/live/css/main.css'), 'utf8')).toMatch('by hand');
  await expect(rollback(location(), disk.ports)).rejects.toMatchObject({ name: 'UnknownVersion' });
});

test('a version that does not have the damaged file stays; a restart does not forget', async () => {
  const scrub = scrubWith('repair');
  edit('about.html');
  await scrub.round('content', 1);
  expect(lines[0]).toMatch(/given up: 2$/);
  await recover(location(), disk.ports);
  expect(readSiteState(location())).toMatchObject({
    live: { sequence: 2, treeDigest: '' },
    backup: { sequence: 1, treeDigest: expect.stringMatching(/^.{64}$/) },
  });
});

test('a site whose policy is to ignore it is not looked at', async () => {
  const scrub = scrubWith('ignore');
  edit('index.html');
  await scrub.round('content', 1);
  expect({ changes, lines }).toEqual({ changes: 0, lines: [] });
});

/** Time passes as fast as it is waited for. */
function hastyClock(): Clock {
  let nowMs = 0;
  return {
    nowMs: () => nowMs,
    schedule(delayMs, action) {
      const timer = setImmediate(() => {
        nowMs += delayMs;
        action();
      });
      return () => clearImmediate(timer);
    },
  };
}

async function makeLive(site: string, content: Buffer): Promise<void> {
  const assignment = new TestAssignment().put('large', content);
  await disk.run(assignment, [emptyManifest, [file('large', content)]], { site }, { site });
  await switchTo({ root: disk.root, site, sequence: 1 }, disk.ports);
}

test('all sites together are read within the time of a round, and no faster', async () => {
  const dayMs = 24 * 60 * 60 * 1000;
  for (const site of ['docs', 'shop', 'wiki']) await makeLive(site, Buffer.alloc(4 * 1024 ** 2));
  const clock = hastyClock();
  await scrubWith('report', clock).round('content', dayMs);
  expect(clock.nowMs()).toBeLessThanOrEqual(dayMs);
  expect(clock.nowMs()).toBeGreaterThan(dayMs / 2);
});

test('a site whose manifest cannot be read is named, and the others are looked at', async () => {
  await makeLive('docs', Buffer.from('docs'));
  writeFileSync(join(disk.root, 'sites/docs/versions/1.manifest'), 'damaged');
  edit('index.html');
  await scrubWith('report').round('content', 1);
  expect(lines).toEqual([
    expect.stringContaining('docs cannot be compared'),
    'version 2 of www differs in 1: "index.html"',
  ]);
});

test('it looks by itself, from its start', async () => {
  const clock = new VirtualClock(0);
  edit('index.html');
  let scrub: Scrub | undefined;
  const found = new Promise<void>((resolve) => {
    scrub = scrubWith('report', clock, resolve);
  });
  scrub?.start();
  clock.advance(0);
  await found;
  scrub?.close();
  expect(lines).toEqual(['version 2 of www differs in 1: "index.html"']);
});
