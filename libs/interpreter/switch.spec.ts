import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { treeDigest } from '#libs/content-store/manifest.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { removeTree } from './adapters/removal.js';
import type { InterpreterPorts } from './ports.js';
import { prepare } from './prepare.js';
import { recover } from './recover.js';
import { rollback, switchTo } from './switch.js';
import { assignmentOf, testVersions } from './test-versions.js';
import { digestOfTree } from './verify.js';
import { findVersion } from './versions.js';

let root: string;
let clock: VirtualClock;
let ports: InterpreterPorts;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'interpreter-'));
  clock = new VirtualClock(1000);
  ports = { clock, syncFilesystem: () => undefined, decodePatch: () => new Uint8Array() };
});
afterEach(() => removeTree(root));

const site = () => join(root, 'sites/www');
const link = (name: string) => readlinkSync(join(site(), name));
const versionNames = () => readdirSync(join(site(), 'versions')).sort();
const digest = (number: number) => treeDigest(testVersions[number - 1] ?? []);
const prepareNumber = (number: number) =>
  prepare({ root, site: 'www', ...assignmentOf(testVersions, number) }, ports);
const switchNumber = (sequence: number) => switchTo({ root, site: 'www', sequence }, ports);

async function publish(number: number): Promise<void> {
  await prepareNumber(number);
  await (await switchNumber(number)).cleanup;
}

describe('a switch', () => {
  it('makes a prepared version live and the one before the backup', async () => {
    await publish(1);
    await prepareNumber(2);
    clock.advance(500);
    const switched = await switchNumber(2);
    expect(switched).toMatchObject({ sequence: 2, switchedAtMs: 1500, treeDigest: digest(2) });
    expect(link('live')).toBe('versions/2');
    expect(link('backup')).toBe('versions/1');
    expect(readFileSync(join(site(), 'live/f'), 'utf8')).toBe('2');
    await switched.cleanup;
  });

  it('is done once: a repetition changes nothing and tells the first time', async () => {
    await publish(1);
    await publish(2);
    const journal = readFileSync(join(site(), 'journal'));
    clock.advance(500);
    expect(await switchNumber(2)).toMatchObject({ switchedAtMs: 1000, treeDigest: digest(2) });
    expect(readFileSync(join(site(), 'journal'))).toEqual(journal);
    expect(link('backup')).toBe('versions/1');
  });

  it('to a version that is not prepared is refused and changes nothing', async () => {
    await publish(1);
    await expect(switchNumber(2)).rejects.toMatchObject({ name: 'UnknownVersion' });
    mkdirSync(join(site(), 'versions/2'));
    await expect(switchNumber(2)).rejects.toMatchObject({ name: 'UnknownVersion' });
    expect(link('live')).toBe('versions/1');
  });

  it('never replaces something that is no link', async () => {
    await prepareNumber(1);
    mkdirSync(join(site(), 'live'));
    await expect(switchNumber(1)).rejects.toMatchObject({ name: 'DiskFailure' });
  });

  it('back to the backup exchanges the two', async () => {
    await publish(1);
    await publish(2);
    expect(await rollback({ root, site: 'www' }, ports)).toMatchObject({ treeDigest: digest(1) });
    expect([link('live'), link('backup')]).toEqual(['versions/1', 'versions/2']);
  });

  it('back without a backup is refused', async () => {
    await publish(1);
    const action = rollback({ root, site: 'www' }, ports);
    await expect(action).rejects.toMatchObject({ name: 'UnknownVersion' });
  });

  it('keeps the newest versions, the live one and the backup, and removes the others', async () => {
    for (const number of [1, 2, 3, 4, 5]) await publish(number);
    expect(versionNames()).toEqual(['3', '3.manifest', '4', '4.manifest', '5', '5.manifest']);
    await (await switchNumber(3)).cleanup;
    await prepareNumber(6).catch(() => undefined);
    expect([link('live'), link('backup')]).toEqual(['versions/3', 'versions/5']);
    const { cleanup } = await switchTo({ root, site: 'www', sequence: 3, keptVersions: 1 }, ports);
    expect(await cleanup).toEqual([4]);
    expect(findVersion({ root, site: 'www' }, digest(5))).toBe(5);
    expect(findVersion({ root, site: 'www' }, digest(4))).toBeUndefined();
  });

  it('refuses an old assignment again after its version was removed', async () => {
    for (const number of [1, 2, 3, 4, 5]) await publish(number);
    await expect(prepareNumber(1)).rejects.toMatchObject({ reason: 'replayed' });
  });
});

describe('recovery', () => {
  it('of a site that never was gives an empty state', async () => {
    expect(await recover({ root, site: 'www' }, ports)).toEqual({ prepared: [] });
  });

  it('tells what is live, what was before and what can go live', async () => {
    await publish(1);
    await publish(2);
    await prepareNumber(3);
    const known = (sequence: number) => ({ sequence, treeDigest: digest(sequence) });
    expect(await recover({ root, site: 'www' }, ports)).toEqual({
      live: known(2),
      backup: known(1),
      prepared: [known(1), known(3)],
    });
  });

  it('removes leftovers and nothing that it did not make', async () => {
    await publish(1);
    const versions = join(site(), 'versions');
    for (const name of ['2.tmp', '3', '4.removing', 'notes']) mkdirSync(join(versions, name));
    writeFileSync(join(versions, '3.manifest'), 'x');
    await recover({ root, site: 'www' }, ports);
    expect(versionNames()).toEqual(['1', '1.manifest', 'notes']);
  });

  it('mends a journal whose last line is torn', async () => {
    await publish(1);
    appendFileSync(join(site(), 'journal'), '{"state":"PREPA');
    await recover({ root, site: 'www' }, ports);
    await publish(2);
    expect((await recover({ root, site: 'www' }, ports)).live).toMatchObject({ sequence: 2 });
  });

  it('keeps the live version even when the journal is lost, and goes on from it', async () => {
    await publish(1);
    rmSync(join(site(), 'journal'));
    await expect(prepareNumber(1)).rejects.toMatchObject({ reason: 'replayed' });
    const state = await recover({ root, site: 'www' }, ports);
    expect(state.live).toEqual({ sequence: 1, treeDigest: digest(1) });
    expect(await digestOfTree(join(site(), 'versions/1'))).toBe(digest(1));
    await publish(2);
    expect(await rollback({ root, site: 'www' }, ports)).toMatchObject({ treeDigest: digest(1) });
  });

  it('condenses a long journal without forgetting anything that matters', async () => {
    await publish(1);
    await publish(2);
    const line = { state: 'FAILED', sequence: 9, treeDigest: '', timeMs: 1, during: 'prepare' };
    appendFileSync(join(site(), 'journal'), `${JSON.stringify(line)}\n`.repeat(1000));
    const before = await switchNumber(2);
    const state = await recover({ root, site: 'www' }, ports);
    expect(readFileSync(join(site(), 'journal'), 'utf8').split('\n').length).toBeLessThan(6);
    expect(state).toMatchObject({ live: { sequence: 2 }, prepared: [{ sequence: 1 }] });
    expect(await switchNumber(2)).toMatchObject({ switchedAtMs: before.switchedAtMs });
    expect(existsSync(join(site(), 'versions/1'))).toBe(true);
  });
});
