import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { treeDigest } from '#libs/content-store/manifest.js';
import { canExchange, exchangePaths } from '#libs/native/renameat2.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { removeTree } from './adapters/removal.js';
import { type Failpoint, failpoints, type InterpreterPorts } from './ports.js';
import { prepare } from './prepare.js';
import { recover } from './recover.js';
import { rollback, switchTo } from './switch.js';
import { assignmentOf, testVersions } from './test-versions.js';
import { digestOfTree } from './verify.js';

let root: string;
let liveDirectory: string;
const ports: InterpreterPorts = {
  clock: new VirtualClock(1000),
  syncFilesystem: () => undefined,
  decodePatch: () => new Uint8Array(),
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'interpreter-'));
  liveDirectory = join(root, 'srv');
});
afterEach(() => removeTree(root));

const digest = (number: number) => treeDigest(testVersions[number - 1] ?? []);
const prepareNumber = (number: number, with_ = ports) =>
  prepare(
    { root, site: 'www', ...assignmentOf(testVersions, number), sitePolicy: { liveDirectory } },
    with_,
  );
const switchNumber = (sequence: number, with_ = ports) =>
  switchTo({ root, site: 'www', sequence, liveDirectory }, with_);
const beside = () => readdirSync(root).filter((name) => name.startsWith('srv'));

async function publish(number: number, with_ = ports): Promise<void> {
  await prepareNumber(number, with_);
  await (await switchNumber(number, with_)).cleanup;
}

it('is possible on every Linux host with the C library', () => {
  expect(canExchange()).toBe(process.platform === 'linux');
});

const whereItCan = canExchange() ? describe : () => undefined;

whereItCan('a live path that must be a real directory', () => {
  it('is a directory with the live tree after every switch and rollback', async () => {
    await publish(1);
    expect(lstatSync(liveDirectory).isDirectory()).toBe(true);
    expect(await digestOfTree(liveDirectory)).toBe(digest(1));
    await publish(2);
    expect(await digestOfTree(liveDirectory)).toBe(digest(2));
    expect(await digestOfTree(`${liveDirectory}.1`)).toBe(digest(1));
    await (await rollback({ root, site: 'www', liveDirectory }, ports)).cleanup;
    expect(await digestOfTree(liveDirectory)).toBe(digest(1));
    expect(await digestOfTree(`${liveDirectory}.2`)).toBe(digest(2));
    expect(beside()).toEqual(['srv', 'srv.2']);
  });

  it('keeps what somebody had there before, under another name', async () => {
    mkdirSync(liveDirectory);
    writeFileSync(join(liveDirectory, 'mine'), 'mine');
    await publish(1);
    expect(readFileSync(`${liveDirectory}.before-1/mine`, 'utf8')).toBe('mine');
    expect(await digestOfTree(liveDirectory)).toBe(digest(1));
  });

  it('is refused where it is a link, before anything changes', async () => {
    symlinkSync('/tmp', liveDirectory);
    await expect(prepareNumber(1)).rejects.toMatchObject({ name: 'UnsafeDirectory' });
    expect(readdirSync(join(root, 'sites/www/versions'))).toEqual([]);
  });

  it('loses the trees of versions that are not kept', async () => {
    for (const number of [1, 2, 3, 4]) {
      await prepareNumber(number);
      const input = { root, site: 'www', sequence: number, liveDirectory, keptVersions: 1 };
      await (await switchTo(input, ports)).cleanup;
    }
    expect(beside()).toEqual(['srv', 'srv.3']);
  });

  it.each(failpoints)('is whole after a stop at %s, and the next switch works', async (name) => {
    await publish(1);
    const stops: InterpreterPorts = {
      ...ports,
      failpoint: (at: Failpoint) => {
        if (at === name) throw new Error('stopped');
      },
    };
    await expect(publish(2, stops)).rejects.toThrow('stopped');
    const { live } = await recover({ root, site: 'www' }, ports);
    expect(await digestOfTree(liveDirectory)).toBe(live?.treeDigest);
    await publish(2);
    expect(await digestOfTree(liveDirectory)).toBe(digest(2));
    await publish(3);
    expect(await digestOfTree(`${liveDirectory}.2`)).toBe(digest(2));
    expect(existsSync(`${liveDirectory}.before-3`)).toBe(false);
  });

  it('goes forward when the exchange was the last thing that happened', async () => {
    await publish(1);
    await prepareNumber(2);
    const stops: InterpreterPorts = {
      ...ports,
      failpoint: (at) => {
        if (at !== 'switching-journaled') return;
        exchangePaths(liveDirectory, `${liveDirectory}.2`);
        throw new Error('stopped');
      },
    };
    await expect(switchNumber(2, stops)).rejects.toThrow('stopped');
    const { live, backup } = await recover({ root, site: 'www' }, ports);
    expect([live?.sequence, backup?.sequence]).toEqual([2, 1]);
    expect(await digestOfTree(liveDirectory)).toBe(digest(2));
    expect(await digestOfTree(`${liveDirectory}.1`)).toBe(digest(1));
  });
});
