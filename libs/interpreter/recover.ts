import { treeDigest } from '#libs/content-store/manifest.js';
import { appendRecord } from './adapters/journal-file.js';
import { mendJournal } from './adapters/journal-upkeep.js';
import { readManifestFile } from './adapters/manifest-file.js';
import { openSite } from './adapters/site-directory.js';
import { completeVersions, readSite } from './adapters/site-state.js';
import { namedDiskError } from './errors.js';
import { exclusively } from './exclusive.js';
import { isPlaced } from './live-directory.js';
import { manifestPath, type SiteLayout, type SiteLocation } from './site-layout.js';
import { continueSwitch, type SwitchPorts } from './switch.js';
import { removeLeftovers } from './versions.js';

export interface KnownVersion {
  readonly sequence: number;
  /** SHA-256, lower-case hex; empty when journal and manifest were both lost. */
  readonly treeDigest: string;
}

/** What a site has on this server. */
export interface SiteState {
  readonly live?: KnownVersion;
  readonly backup?: KnownVersion;
  /** All complete versions but the live one, oldest first; each can go live. */
  readonly prepared: readonly KnownVersion[];
}

/**
 * To be called for each site before anything else after a start. Finishes a switch that had
 * happened, undoes one that had not, removes unfinished versions, mends the journal.
 * @throws DiskFull, QuotaExceeded, ReadOnlyDisk, DiskFailure, UnsafeDirectory
 */
export async function recover(location: SiteLocation, ports: SwitchPorts): Promise<SiteState> {
  try {
    const layout = openSite(location);
    return await exclusively(layout.directory, async () => {
      mendJournal(layout);
      settleSwitch(layout, ports);
      await removeLeftovers(layout);
      adoptLinked(layout, ports);
      const state = siteState(layout);
      await repeatElsewhere(layout, state, ports);
      return state;
    });
  } catch (error) {
    throw namedDiskError(error);
  }
}

/** A crash may have left another host with the other version; the next switch tells of errors. */
async function repeatElsewhere(layout: SiteLayout, { live }: SiteState, ports: SwitchPorts) {
  if (!live || !ports.otherHost) return;
  await ports.otherHost.switchTo(layout.site, live.sequence).catch(() => undefined);
}

/** What a site has, without changing anything. */
export function readSiteState(location: SiteLocation): SiteState {
  return siteState(openSite(location));
}

/** The link, or the directory, is the truth: it is the new version or still the old one. */
function settleSwitch(layout: SiteLayout, ports: SwitchPorts): void {
  const site = readSite(layout);
  const { lastSwitch, live } = site;
  if (!lastSwitch || lastSwitch.done) return;
  const { sequence, treeDigest: digest, directory } = lastSwitch;
  const version = { sequence, treeDigest: digest };
  if (live === sequence || (directory && isPlaced(directory))) continueSwitch(layout, site, ports);
  else {
    const timeMs = ports.clock.nowMs();
    const undone = { during: 'switch', reason: 'interrupted' } as const;
    appendRecord(layout.journal, { state: 'FAILED', ...version, timeMs, ...undone });
  }
}

/** Journals again what is live or the backup when the journal was lost and the manifest was not. */
function adoptLinked(layout: SiteLayout, ports: SwitchPorts): void {
  const site = readSite(layout);
  for (const sequence of completeVersions(layout, site)) {
    if (site.prepared.has(sequence) || site.damaged.has(sequence)) continue;
    const manifest = readManifestFile(manifestPath(layout, sequence));
    if (!manifest) continue;
    const version = { sequence, treeDigest: treeDigest(manifest) };
    appendRecord(layout.journal, { state: 'PREPARED', ...version, timeMs: ports.clock.nowMs() });
  }
}

function siteState(layout: SiteLayout): SiteState {
  const site = readSite(layout);
  const complete = completeVersions(layout, site);
  const known = (sequence: number): KnownVersion => ({
    sequence,
    treeDigest: site.prepared.get(sequence) ?? '',
  });
  const { live, backup } = site;
  return {
    live: live !== undefined && complete.includes(live) ? known(live) : undefined,
    backup: backup !== undefined && complete.includes(backup) ? known(backup) : undefined,
    prepared: complete.filter((sequence) => sequence !== live).map(known),
  };
}
