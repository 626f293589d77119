import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { treeDigest } from '#libs/content-store/manifest.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { removeTree } from './adapters/removal.js';
import { type Failpoint, failpoints, type InterpreterPorts } from './ports.js';
import { prepare } from './prepare.js';
import { recover } from './recover.js';
import { switchTo } from './switch.js';
import { assignmentOf, testVersions } from './test-versions.js';
import { digestOfTree } from './verify.js';

let root: string;
const ports: InterpreterPorts = {
  clock: new VirtualClock(1000),
  syncFilesystem: () => undefined,
  decodePatch: () => new Uint8Array(),
};
const child = fileURLToPath(new URL('./test-crash-child.js', import.meta.url));
const [first = '', second = ''] = testVersions.map(treeDigest);
const liveAfter: Record<Failpoint, 1 | 2> = {
  'preparing-journaled': 1,
  'tree-built': 1,
  'tree-synced': 1,
  'version-placed': 1,
  'prepared-journaled': 1,
  'switching-journaled': 1,
  'live-staged': 1,
  'live-replaced': 2,
  'backup-replaced': 2,
  'switched-journaled': 2,
};

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'interpreter-'));
  await prepare({ root, site: 'www', ...assignmentOf(testVersions, 1) }, ports);
  await switchTo({ root, site: 'www', sequence: 1 }, ports);
});
afterEach(() => removeTree(root));

const live = () => join(root, 'sites/www', readlinkSync(join(root, 'sites/www/live')));

describe('a process that is killed', () => {
  it.each(failpoints)('at %s leaves the old tree or the new one, whole', async (failpoint) => {
    const { signal } = spawnSync(process.execPath, [child, root, failpoint]);
    expect(signal).toBe('SIGKILL');
    const expected = liveAfter[failpoint] === 1 ? first : second;
    expect(await digestOfTree(live())).toBe(expected);

    const state = await recover({ root, site: 'www' }, ports);
    expect(await digestOfTree(live())).toBe(expected);
    expect(state.live).toEqual({ sequence: liveAfter[failpoint], treeDigest: expected });
    for (const { sequence, treeDigest } of state.prepared) {
      const path = join(root, 'sites/www/versions', String(sequence));
      expect(await digestOfTree(path)).toBe(treeDigest);
    }
    expect(await recover({ root, site: 'www' }, ports)).toEqual(state);
    const names = readdirSync(join(root, 'sites/www')).sort();
    expect(names.filter((name) => name !== 'backup')).toEqual(['journal', 'live', 'versions']);

    await prepare({ root, site: 'www', ...assignmentOf(testVersions, 2) }, ports);
    await switchTo({ root, site: 'www', sequence: 2 }, ports);
    expect(await digestOfTree(live())).toBe(second);
    expect(readlinkSync(join(root, 'sites/www/backup'))).toBe('versions/1');
  });
});

describe('an error', () => {
  it.each(failpoints)('at %s leaves a tree that a repetition completes', async (failpoint) => {
    const failing: InterpreterPorts = {
      ...ports,
      failpoint: (name) => {
        if (name === failpoint) throw new Error('injected');
      },
    };
    const publish = async (with_: InterpreterPorts) => {
      await prepare({ root, site: 'www', ...assignmentOf(testVersions, 2) }, with_);
      return switchTo({ root, site: 'www', sequence: 2 }, with_);
    };
    await expect(publish(failing)).rejects.toThrow('injected');
    expect([first, second]).toContain(await digestOfTree(live()));
    await publish(ports);
    expect(await digestOfTree(live())).toBe(second);
    expect(readlinkSync(join(root, 'sites/www/backup'))).toBe('versions/1');
  });
});
