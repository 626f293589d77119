import { mkdtempSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { emptyManifest, type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import { PatchEncoding } from '#libs/contracts/index.js';
import { removeTree } from './adapters/removal.js';
import { shellHost } from './adapters/shell-host.js';
import { OtherHostFailed, UnsupportedAssignment, WrongContent } from './errors.js';
import { goLive } from './go-live.js';
import { recover } from './recover.js';
import { directory, file, symlink, TestAssignment } from './test-commands.js';
import { rejection, TestSite } from './test-site.js';
import { digestOfTree } from './verify.js';

let site: TestSite;
/** The directory of the other host; its shell is a real one. */
let there: string;

beforeEach(() => {
  site = new TestSite();
  there = mkdtempSync(join(tmpdir(), 'other host '));
  actThrough('sh', '-c');
});
afterEach(async () => {
  await site.remove();
  await removeTree(there);
});

function actThrough(...command: string[]): void {
  site.ports = { ...site.ports, otherHost: shellHost({ command, directory: there }) };
}

const awkward = 'it\'s -n "odd"\u2028$(touch x) `y` \\ é';
const first: Manifest = [
  directory('-d', 0o555),
  file(`-d/${awkward}`, 'awkward', 0o600),
  file('empty', ''),
  file('large', 'x'.repeat(300_000), 0o755),
  symlink('link', `-d/${awkward}`),
];
const shell = { agentType: 'shell/1' };
const versions = () => join(there, 'sites/www/versions');
const live = () => join(there, 'sites/www/live');

function prepareFirst() {
  const assignment = new TestAssignment()
    .directory('-d', 0o555)
    .put(`-d/${awkward}`, 'awkward', { mode: 0o600 })
    .put('empty', '')
    .put('large', 'x'.repeat(300_000), { mode: 0o755 })
    .symlink('link', `-d/${awkward}`);
  return site.run(assignment, [emptyManifest, first], shell);
}

const second: Manifest = [...first, file('new', 'new')];
const prepareSecond = () =>
  site.run(new TestAssignment().put('new', 'new'), [first, second], { ...shell, sequence: 2n });

const switchTo = (sequence: number, more = {}) =>
  goLive({ root: site.root, site: 'www', sequence, ...more }, site.ports);

describe('a version on another host, which is reached through its shell', () => {
  it('is made there, whatever its names are, and goes live there', async () => {
    await prepareFirst();
    expect(await digestOfTree(join(versions(), '1'))).toBe(treeDigest(first));
    await switchTo(1);
    expect(readlinkSync(live())).toBe('versions/1');
    expect(readdirSync(there)).toEqual(['sites']);
  });

  it('shares the files that have not changed with the version before', async () => {
    await prepareFirst();
    await switchTo(1);
    expect(await prepareSecond()).toMatchObject({ filesWritten: 1, filesShared: 3 });
    await switchTo(2);
    expect(await digestOfTree(live())).toBe(treeDigest(second));
    const inode = (version: string) => statSync(join(versions(), version, 'large')).ino;
    expect(inode('2')).toBe(inode('1'));
  });

  it('is left for the one before when it is not healthy', async () => {
    await prepareFirst();
    await switchTo(1);
    await prepareSecond();
    const programs = { runHook: async () => undefined, probe: async () => 'no answer' };
    site.ports = { ...site.ports, programs };
    const probe = { url: 'http://127.0.0.1:1/', timeoutMs: 1 };
    await rejection(switchTo(2, { sitePolicy: { probe } }));
    expect(readlinkSync(live())).toBe('versions/1');
  });

  it('is refused when the other host has not what was sent, and nothing of it stays', async () => {
    const spoil = `case "$0" in *"head -c"*) printf x >> '${versions()}/1.tmp/empty'; esac`;
    actThrough('sh', '-c', `sh -c "$0" && { ${spoil}; }`);
    expect(await rejection(prepareFirst())).toBeInstanceOf(WrongContent);
    expect(readdirSync(versions())).toEqual([]);
    const { prepared } = await recover({ root: site.root, site: 'www' }, site.ports);
    expect(prepared).toEqual([]);
  });

  it('is not made of differences, and not by the commands of another type', async () => {
    await prepareFirst();
    await switchTo(1);
    const patched = [...first.slice(0, 3), file('large', 'decoded', 0o755), ...first.slice(4)];
    const patch = new TestAssignment();
    const data = patch.slice('frame');
    const encoding = PatchEncoding.ZSTD_PREFIX;
    patch.patch('large', 'large', 'decoded', { encoding, data, mode: 0o755 });
    const patching = site.run(patch, [first, patched], { ...shell, sequence: 2n });
    expect(await rejection(patching)).toBeInstanceOf(UnsupportedAssignment);
    const posix = site.run(new TestAssignment().put('new', 'new'), [first, second], {
      sequence: 2n,
    });
    expect(await rejection(posix)).toBeInstanceOf(UnsupportedAssignment);
  });

  it('is not prepared when the other host cannot be reached, and can be later', async () => {
    actThrough('sh', '-c', 'echo no route to host >&2; exit 255');
    const error = await rejection(prepareFirst());
    expect(error).toBeInstanceOf(OtherHostFailed);
    expect(error.message).toContain('no route to host');
    actThrough('sh', '-c');
    await prepareFirst();
    await switchTo(1);
    expect(await digestOfTree(live())).toBe(treeDigest(first));
  });

  it('is live again after a crash between the switch there and the journal here', async () => {
    await prepareFirst();
    await switchTo(1);
    await prepareSecond();
    await site.ports.otherHost?.switchTo('www', 2);
    const { live: known } = await recover({ root: site.root, site: 'www' }, site.ports);
    expect(known?.sequence).toBe(1);
    expect(readlinkSync(live())).toBe('versions/1');
  });

  it('is removed there when newer ones have taken its place', async () => {
    await prepareFirst();
    await switchTo(1);
    await prepareSecond();
    await switchTo(2);
    const third = [...second, file('third', '3')];
    const assignment = new TestAssignment().put('third', '3');
    await site.run(assignment, [second, third], { ...shell, sequence: 3n });
    const { cleanup } = await switchTo(3, { sitePolicy: { keptVersions: 0 } });
    expect(await cleanup).toEqual([1]);
    expect(readdirSync(versions()).sort()).toEqual(['2', '3']);
  });
});
