import { execFileSync } from 'node:child_process';
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openContainer } from '#libs/assignment/reader.js';
import type { Manifest } from '#libs/content-store/manifest.js';
import { JobType } from '#libs/contracts/index.js';
import { decompressWithPrefix } from '#libs/native/zstd.js';
import { removeTree } from './adapters/removal.js';
import { goLive } from './go-live.js';
import { prepareContainer } from './prepare-container.js';
import { recover } from './recover.js';
import { switchTo } from './switch.js';
import { file, TestAssignment } from './test-commands.js';
import {
  base,
  confusable,
  type HostileCase,
  hostileOrder,
  hostilePaths,
  hostileValues,
} from './test-hostile-commands.js';
import { hostileContainers, soundContainer, trust } from './test-hostile-containers.js';
import { hostileEverywhere } from './test-hostile-paths.js';
import { first, rejection, TestSite } from './test-site.js';
import { digestOfTree } from './verify.js';

const unchangedBase = (assignment: TestAssignment): [TestAssignment, Manifest] => [
  assignment,
  base,
];

let disk: TestSite;
let outside: string;
beforeEach(() => {
  disk = new TestSite();
  disk.ports = { ...disk.ports, decodePatch: decompressWithPrefix };
  outside = mkdtempSync(join(tmpdir(), 'outside-'));
  mkdirSync(join(outside, 'd'));
  writeFileSync(join(outside, 'd/secret'), 'secret');
  writeFileSync(join(outside, 'x'), 'x');
});
afterEach(async () => {
  await disk.remove();
  await removeTree(outside);
});

/** What must stay as it is: the outside, what is live, and the names of versions. */
const state = async () => ({
  outside: await digestOfTree(outside),
  live: await digestOfTree(disk.path('live/.')),
  names: disk.names(),
  root: readdirSync(disk.root),
  sites: readdirSync(join(disk.root, 'sites')),
});

it('no command of the corpus changes a byte', async () => {
  const assignment = new TestAssignment()
    .directory('d')
    .put('d/deep', 'deep')
    .directory('empty')
    .put('f', 'content')
    .symlink('l', 'd')
    .symlink('out', '/etc');
  await disk.run(assignment, [[], base]);
  await switchTo({ root: disk.root, site: 'www', sequence: 1 }, disk.ports);
  const before = await state();
  const corpus: HostileCase[] = [
    ...hostilePaths,
    ...hostileOrder,
    ...hostileValues,
    ...confusable,
    ...hostileEverywhere,
  ];
  for (const [name, commands, reason, extra = {}, policy = {}] of corpus) {
    const [hostile, result] = unchangedBase(commands(new TestAssignment()));
    const fields = { sequence: 2n, ...extra };
    const error = await rejection(disk.run(hostile, [base, result], fields, { policy }));
    expect([name, error.name, (error as { reason?: string }).reason]).toEqual([
      name,
      'IllegalCommand',
      reason,
    ]);
    expect(disk.names()).toEqual(before.names);
  }
  expect(await state()).toEqual(before);
});

describe('a container', () => {
  /** As an agent does it: opened, admitted, prepared, and for a switch, switched. */
  async function carryOut(path: string): Promise<void> {
    const head = await openContainer(path, trust);
    const location = { root: disk.root, site: head.header.site };
    if (head.header.type === JobType.SWITCH) {
      const sequence = Number(head.header.switchToSequence);
      await goLive({ ...location, sequence }, disk.ports);
      return;
    }
    await prepareContainer({ root: disk.root, node: 'a', path, head, trust }, disk.ports);
  }

  it.each(hostileContainers)('%s, is refused, and nothing changes', async (_, make, says) => {
    await disk.prepareFirst();
    await switchTo({ root: disk.root, site: 'www', sequence: 1 }, disk.ports);
    const before = await state();
    const error = await rejection(make(outside).then((path) => carryOut(path)));
    expect(`${error.name} ${(error as { reason?: string }).reason}: ${error.message}`).toMatch(
      says,
    );
    rmSync(join(outside, 'container'));
    const { sites, ...rest } = await state();
    const { sites: sitesBefore, ...same } = before;
    expect(rest).toEqual(same);
    // The directory of a site that is not known here may be made before its base is looked for.
    expect(sites.filter((site) => site !== 'shop')).toEqual(sitesBefore);
  });

  it('that is as it should be is carried out', async () => {
    await disk.prepareFirst();
    await carryOut(await soundContainer(outside));
    expect(disk.names()).toContain('2');
  });
});

describe('what somebody put onto the disk', () => {
  const next: Manifest = [...first, file('new', 'new')];
  const prepareNext = () =>
    disk.run(new TestAssignment().put('new', 'new'), [first, next], { sequence: 2n });
  const inVersion = (name: string) => join(disk.version(1), name);

  beforeEach(async () => {
    await disk.prepareFirst();
    await switchTo({ root: disk.root, site: 'www', sequence: 1 }, disk.ports);
  });

  const targets: [string, (path: string) => void | Promise<void>][] = [
    ['a FIFO', (path) => void execFileSync('mkfifo', [path])],
    ['a socket', socketAt],
    ['a directory', (path) => void mkdirSync(path)],
    ['a link to the outside', (path) => symlinkSync(join(outside, 'x'), path)],
    ['a dangling link', (path) => symlinkSync(join(outside, 'nothing'), path)],
    ['a link to a device', (path) => symlinkSync('/dev/zero', path)],
    ['a link into /proc', (path) => symlinkSync('/proc/self/root/etc/passwd', path)],
    ['a hard link of something else', (path) => linkSync(join(outside, 'x'), path)],
  ];

  it.each(targets)('in the place of a file of the base: %s', async (_, plant) => {
    rmSync(inVersion('index.html'));
    await plant(inVersion('index.html'));
    const before = await digestOfTree(outside);
    expect((await rejection(prepareNext())).name).toBe('DamagedBase');
    expect(await digestOfTree(outside)).toBe(before);
    expect(disk.names()).toEqual(['1', '1.manifest']);
  });

  it.each(targets)('in the place of a file that is about to be made: %s', async (_, plant) => {
    const assignment = new TestAssignment().put('new', 'new');
    const { read } = assignment;
    assignment.read = async (slice) => {
      await plant(join(disk.path('versions'), '2.tmp', 'new'));
      return read.call(assignment, slice);
    };
    const before = await digestOfTree(outside);
    const error = await rejection(disk.run(assignment, [first, next], { sequence: 2n }));
    expect((error as NodeJS.ErrnoException).code).toBe('EEXIST');
    expect(await digestOfTree(outside)).toBe(before);
    expect(disk.names()).toEqual(['1', '1.manifest']);
  });

  it.each(targets)('in the place of the journal: %s', async (what, plant) => {
    rmSync(disk.path('journal'));
    await plant(disk.path('journal'));
    const before = await digestOfTree(outside);
    const outcome = await prepareNext().then(
      () => 'prepared',
      () => 'refused',
    );
    // A hard link is a file like any other: to make one here takes the right to write there.
    if (what !== 'a hard link of something else') {
      expect(outcome).toBe('refused');
      expect(await digestOfTree(outside)).toBe(before);
    }
    expect(await digestOfTree(disk.path('live/.'))).toBe(await digestOfTree(disk.version(1)));
  });

  it.each(targets)('in the place of the link that a switch makes: %s', async (what, plant) => {
    await prepareNext();
    await plant(disk.path('live.next'));
    const before = await digestOfTree(outside);
    const switched = switchTo({ root: disk.root, site: 'www', sequence: 2 }, disk.ports);
    const live = await switched.then(
      () => 'versions/2',
      () => 'versions/1',
    );
    expect(live).toBe(what === 'a directory' ? 'versions/1' : 'versions/2');
    expect(readlinkSync(disk.path('live'))).toBe(live);
    expect(await digestOfTree(outside)).toBe(before);
  });

  it('a file with a second name outside is not written into', async () => {
    linkSync(inVersion('index.html'), join(outside, 'second name'));
    const result = first.map((each) =>
      each.path === 'index.html' ? file('index.html', 'other') : each,
    );
    const assignment = new TestAssignment().put('index.html', 'other');
    await disk.run(assignment, [first, result], { sequence: 2n });
    await switchTo({ root: disk.root, site: 'www', sequence: 2 }, disk.ports);
    expect(readFileSync(join(outside, 'second name'), 'utf8')).toBe('hello');
    expect(lstatSync(join(disk.version(2), 'index.html')).nlink).toBe(1);
  });

  it.each(['sites', 'sites/www', 'sites/www/versions'])(
    'a link in the place of the directory %s is refused',
    async (name) => {
      const path = join(disk.root, name);
      renameSync(path, join(outside, 'moved'));
      symlinkSync(join(outside, 'moved'), path);
      const before = await digestOfTree(outside);
      const error = await rejection(prepareNext());
      expect(error.name).toBe('UnsafeDirectory');
      const restart = rejection(recover({ root: disk.root, site: 'www' }, disk.ports));
      expect((await restart).name).toBe('UnsafeDirectory');
      expect(await digestOfTree(outside)).toBe(before);
    },
  );
});

/** The name of a socket stays when whoever listened has gone. */
async function socketAt(path: string): Promise<void> {
  const server = createServer();
  const short = mkdtempSync(join(tmpdir(), 's-'));
  await new Promise<void>((done) => void server.listen(join(short, 's'), done));
  renameSync(join(short, 's'), path);
  await new Promise((done) => server.close(done));
  rmSync(short, { recursive: true });
}
