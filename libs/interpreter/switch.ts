import { existsSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { appendRecord, noteRecord, syncJournal } from './adapters/journal-file.js';
import { mendJournal } from './adapters/journal-upkeep.js';
import { openSite, syncDirectory } from './adapters/site-directory.js';
import { readSite, type SiteOnDisk } from './adapters/site-state.js';
import { namedDiskError, UnknownVersion } from './errors.js';
import type { PlacedDirectory } from './journal.js';
import {
  isPlaced,
  placeDirectory,
  placedDirectory,
  removeStaged,
  stageDirectory,
  stagedPath,
} from './live-directory.js';
import type { InterpreterPorts } from './ports.js';
import { linkTarget, type SiteLayout, type SiteLocation, versionPath } from './site-layout.js';
import { defaultKeptVersions, prune } from './versions.js';

export type SwitchPorts = Pick<
  InterpreterPorts,
  'clock' | 'failpoint' | 'syncFilesystem' | 'otherHost'
>;

export interface SwitchInput extends SiteLocation {
  readonly sequence: number;
  /** Versions that stay on disk besides the live one and the backup. */
  readonly keptVersions?: number;
  /** The live path where it must be a real directory. */
  readonly liveDirectory?: string;
  /** What becomes the backup; otherwise what was live before. */
  readonly backup?: number;
  /** Waited for once all that must be durable before the switch is: the switch is due then. */
  readonly due?: () => Promise<void>;
  /**
   * Waited for once the version is live, before that is made durable: flushes hold up the switches
   * of others on the same disk. A crash meanwhile leaves the old tree or the new one, as ever.
   */
  readonly settle?: () => Promise<void>;
}

export interface Switched {
  readonly sequence: number;
  /** When the version went live, by the ports' clock. */
  readonly switchedAtMs: number;
  readonly treeDigest: string;
  /** Resolves, never rejects, when older versions are gone: with their sequences. */
  readonly cleanup: Promise<readonly number[]>;
}

/**
 * Makes a prepared version live: readers see the old one or the new one, never neither. The
 * switch is one rename, of a link or of directories; what it needs is journalled before. A
 * repetition changes nothing. Switches of one site must not overlap.
 * @throws UnknownVersion, DiskFull, QuotaExceeded, ReadOnlyDisk, DiskFailure
 */
export async function switchTo(input: SwitchInput, ports: SwitchPorts): Promise<Switched> {
  try {
    const layout = openSite(input);
    await stageMissing(layout, input, ports);
    mendJournal(layout);
    const pending = beginSwitch(layout, input, ports);
    if (pending.waits) {
      await input.due?.();
      await ports.otherHost?.switchTo(input.site, input.sequence);
    }
    const switchedAtMs = pending.replace();
    if (pending.waits) await input.settle?.();
    return { ...pending.finish(switchedAtMs), cleanup: cleanUp(layout, input, ports) };
  } catch (error) {
    throw namedDiskError(error);
  }
}

/** Makes the backup live, and what was live the backup. @throws as `switchTo` */
export async function rollback(
  input: Omit<SwitchInput, 'sequence'>,
  ports: SwitchPorts,
): Promise<Switched> {
  const { backup } = readSite(openSite(input));
  if (backup === undefined) throw new UnknownVersion(input.site, 'backup');
  return switchTo({ ...input, sequence: backup }, ports);
}

/** A switch of which nothing is missing but the switch. */
interface PendingSwitch {
  /** False when the version is live already. */
  readonly waits: boolean;
  /** Makes the version live. @returns when it was done */
  replace(): number;
  finish(switchedAtMs: number): Omit<Switched, 'cleanup'>;
}

function beginSwitch(layout: SiteLayout, input: SwitchInput, ports: SwitchPorts): PendingSwitch {
  const { sequence, liveDirectory } = input;
  const { prepared, live, lastSwitch, doneBefore } = readSite(layout);
  const treeDigest = prepared.get(sequence);
  if (treeDigest === undefined || !existsSync(versionPath(layout, sequence))) {
    throw new UnknownVersion(layout.site, `version ${sequence}`);
  }
  const version = { sequence, treeDigest };
  const isLive = live === sequence;
  if (isLive && lastSwitch?.sequence === sequence) {
    const { done, timeMs: switchedAtMs } = lastSwitch;
    const finish = (nowMs: number) =>
      finishSwitch(layout, version, { ...lastSwitch, ports }, nowMs);
    const replace = () => (done ? switchedAtMs : ports.clock.nowMs());
    return { waits: false, replace, finish: done ? () => ({ ...version, switchedAtMs }) : finish };
  }
  const from = isLive ? undefined : live;
  const timeMs = ports.clock.nowMs();
  const directory = liveDirectory
    ? placedDirectory(layout.site, liveDirectory, sequence)
    : undefined;
  appendRecord(layout.journal, { state: 'SWITCHING', ...version, timeMs, from, directory });
  ports.failpoint?.('switching-journaled');
  const link = stageLink(layout.live, sequence);
  ports.failpoint?.('live-staged');
  const replace = () => {
    if (directory) placeDirectory(directory, sequence, doneBefore);
    renameSync(link, layout.live);
    return ports.clock.nowMs();
  };
  const end = { from: input.backup ?? from, directory, ports };
  const finish = (nowMs: number) => finishSwitch(layout, version, end, nowMs);
  return { waits: true, replace, finish };
}

/** Goes on with a switch whose directory was exchanged when the process ended. */
export function continueSwitch(
  layout: SiteLayout,
  { lastSwitch, doneBefore }: SiteOnDisk,
  ports: SwitchPorts,
): void {
  if (!lastSwitch) return;
  const { sequence, directory } = lastSwitch;
  if (directory) placeDirectory(directory, sequence, doneBefore);
  if (readSite(layout).live !== sequence) replaceLink(layout.live, sequence);
  finishSwitch(layout, lastSwitch, { ...lastSwitch, ports }, ports.clock.nowMs());
  syncJournal(layout.journal);
}

async function stageMissing(layout: SiteLayout, input: SwitchInput, ports: SwitchPorts) {
  const { sequence, liveDirectory } = input;
  const { prepared, lastSwitch } = readSite(layout);
  if (!liveDirectory || !prepared.has(sequence)) return;
  if (lastSwitch?.directory?.path === liveDirectory && isPlaced(lastSwitch.directory)) {
    if (lastSwitch.sequence === sequence) return;
  }
  if (existsSync(stagedPath(liveDirectory, sequence))) return;
  const tree = versionPath(layout, sequence);
  await stageDirectory(layout, { sequence, tree, liveDirectory }, ports);
}

async function cleanUp(
  layout: SiteLayout,
  input: SwitchInput,
  { otherHost }: SwitchPorts,
): Promise<readonly number[]> {
  try {
    await new Promise(setImmediate);
    syncJournal(layout.journal);
    const outdated = await prune(layout, input.keptVersions ?? defaultKeptVersions);
    await removeStaged(input.liveDirectory, outdated);
    await otherHost?.remove(layout.site, outdated);
    return outdated;
  } catch {
    // What is left over is tried again after the next switch, or at the next start.
    return [];
  }
}

/**
 * What is left to do once `live` names the new version. After this the switch is durable: the link
 * is the truth, and what was journalled before it tells a recovery the rest. The last line only
 * spares that, so nobody waits until it is on the disk.
 */
export function finishSwitch(
  layout: SiteLayout,
  version: { readonly sequence: number; readonly treeDigest: string },
  { from, directory, ports }: SwitchEnd,
  switchedAtMs: number,
) {
  const { sequence, treeDigest } = version;
  ports.failpoint?.('live-replaced');
  if (from !== undefined) replaceLink(layout.backup, from);
  ports.failpoint?.('backup-replaced');
  syncDirectory(layout.directory);
  const switched = { sequence, treeDigest, directory, timeMs: switchedAtMs } as const;
  noteRecord(layout.journal, { state: 'SWITCHED', ...switched });
  ports.failpoint?.('switched-journaled');
  return { sequence, treeDigest, switchedAtMs };
}

interface SwitchEnd {
  readonly from?: number;
  readonly directory?: PlacedDirectory;
  readonly ports: SwitchPorts;
}

/** A rename over the link: at every moment there is one. */
function replaceLink(path: string, sequence: number): void {
  renameSync(stageLink(path, sequence), path);
}

function stageLink(path: string, sequence: number): string {
  const next = `${path}.next`;
  rmSync(next, { force: true });
  symlinkSync(linkTarget(sequence), next);
  return next;
}
