import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { treeDigest } from '#libs/content-store/manifest.js';
import { removeTree } from '#libs/interpreter/adapters/removal.js';
import { failpoints, type InterpreterPorts } from '#libs/interpreter/ports.js';
import { prepare } from '#libs/interpreter/prepare.js';
import { readSiteState, recover } from '#libs/interpreter/recover.js';
import { rollback, switchTo } from '#libs/interpreter/switch.js';
import { assignmentOf, testVersions } from '#libs/interpreter/test-versions.js';
import { digestOfTree } from '#libs/interpreter/verify.js';

/*
 * Stops of a process that publishes: at every step of the journal, at random times, and after every
 * single write. After each the live tree must be the old or the new one, whole, and what follows
 * must work without help.
 */

const child = (name: string) => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
const stepChild = fileURLToPath(
  new URL('../../libs/interpreter/test-crash-child.js', import.meta.url),
);
const ports: InterpreterPorts = {
  clock: systemClock,
  syncFilesystem: () => undefined,
  decodePatch: () => new Uint8Array(),
};
const known = new Set(testVersions.map(treeDigest));
const [, second = ''] = testVersions.map(treeDigest);

/** Kills at each failpoint, `repetitions` times each; returns the number of kills. */
export async function killAtEveryStep(directory: string, repetitions: number): Promise<number> {
  let kills = 0;
  for (let number = 0; number < repetitions; number++) {
    for (const failpoint of failpoints) {
      const root = await freshSite(directory);
      const process = fork(stepChild, [root, failpoint], { stdio: 'ignore' });
      await once(process, 'exit');
      if (process.signalCode !== 'SIGKILL') throw new Error(`nothing was killed at ${failpoint}`);
      kills += 1;
      await checkWhole(root, `after a kill at ${failpoint}`);
      await removeTree(root);
    }
  }
  return kills;
}

/** Kills a process that publishes one version after the other; returns the number of kills. */
export async function killAtRandomTimes(
  directory: string,
  count: number,
  random: () => number,
): Promise<number> {
  const root = await freshSite(directory);
  for (let number = 0; number < count; number++) {
    const process = fork(child('crash-publisher-child'), [root], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    await once(process, 'message');
    await sleep(random() * 60);
    process.kill('SIGKILL');
    if (process.signalCode === null) await once(process, 'exit');
    await checkWhole(root, `after the random kill ${number}`);
    if (number % 100 === 99) console.error(`${number + 1} kills at random times so far: whole`);
  }
  await removeTree(root);
  return count;
}

/** Records the disk after every write of a publication; goes on from each. Returns their number. */
export async function replayEveryPrefix(directory: string): Promise<number> {
  const root = await freshSite(directory);
  const snapshots = mkdtempSync(join(directory, 'snapshots-'));
  const process = fork(child('crash-recorder-child'), [root, snapshots], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // What goes past Node's own calls would not be recorded.
    env: { ...globalThis.process.env, ESPALIER_NATIVE: 'off' },
  });
  const [code] = await once(process, 'exit');
  if (code !== 0) throw new Error(`the recorder ended with ${code}`);
  const names = readdirSync(snapshots).sort();
  for (const name of names) {
    const path = join(snapshots, name);
    await checkWhole(path, `after the write ${name}`);
    await publish(path, 2);
    const digest = await liveDigest(path);
    if (digest !== second) throw new Error(`the write ${name}: the next publication is not live`);
  }
  await removeTree(root);
  await removeTree(snapshots);
  return names.length;
}

export async function publish(root: string, number: number): Promise<void> {
  await prepare({ root, site: 'www', ...assignmentOf(testVersions, number) }, ports);
  await (await switchTo({ root, site: 'www', sequence: number }, ports)).cleanup;
}

/** The last two versions change places, again and again. */
export async function switchBack(root: string): Promise<void> {
  await (await rollback({ root, site: 'www' }, ports)).cleanup;
}

export async function freshSite(directory: string): Promise<string> {
  mkdirSync(directory, { recursive: true });
  const root = mkdtempSync(join(directory, 'crash-'));
  await publish(root, 1);
  return root;
}

/** @throws when the live tree is no whole version, before or after the recovery */
export async function checkWhole(root: string, when: string): Promise<void> {
  const before = await liveDigest(root);
  if (!known.has(before))
    throw new Error(`${when}: the live tree ${before} is none that was signed`);
  await recover({ root, site: 'www' }, ports);
  const { live, prepared } = readSiteState({ root, site: 'www' });
  if (live?.treeDigest !== before) throw new Error(`${when}: the recovery changed what is live`);
  for (const { sequence, treeDigest: expected } of prepared) {
    const path = join(root, 'sites/www/versions', String(sequence));
    if ((await digestOfTree(path)) !== expected) throw new Error(`${when}: ${path} is not whole`);
  }
}

export const liveDigest = (root: string) => digestOfTree(`${root}/sites/www/live/.`);

/** A copy of a site as it is on disk at this moment. */
export function snapshot(root: string, target: string): void {
  cpSync(root, target, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
}
