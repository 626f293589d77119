import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import type { JournalRecord, JournalSummary } from '../journal.js';
import { linkedSequence, type SiteLayout, versionPath } from '../site-layout.js';
import { readJournal } from './journal-file.js';

/** What the disk and the journal say about a site, read together. */
export interface SiteOnDisk extends JournalSummary {
  readonly live?: number;
  readonly backup?: number;
  readonly records: readonly JournalRecord[];
  /** The journal has an incomplete line. */
  readonly torn: boolean;
}

export function readSite(layout: SiteLayout): SiteOnDisk {
  const { records, summary, torn } = readJournal(layout.journal);
  const live = readLink(layout.live);
  const backup = readLink(layout.backup);
  return { ...summary, live, backup, records, torn };
}

/** Sequences of the complete versions on disk, oldest first. */
export function completeVersions(layout: SiteLayout, site: SiteOnDisk): number[] {
  const linked = [site.live, site.backup].filter((sequence) => sequence !== undefined);
  return [...new Set([...site.prepared.keys(), ...linked])]
    .filter((sequence) => existsSync(versionPath(layout, sequence)))
    .sort((a, b) => a - b);
}

/** Every name in the directory of versions, with the sequence and the kind that it says. */
export function namesOfVersions(
  layout: SiteLayout,
): { name: string; sequence: number; suffix: string }[] {
  return readdirSync(layout.versions).flatMap((name) => {
    const match = /^(\d{1,16})(\.tmp|\.removing|\.manifest|\.pristine|)$/.exec(name);
    return match ? [{ name, sequence: Number(match[1]), suffix: match[2] ?? '' }] : [];
  });
}

function readLink(path: string): number | undefined {
  try {
    return linkedSequence(readlinkSync(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EINVAL: somebody put something else there; a switch will then fail and say so.
    if (code === 'ENOENT' || code === 'EINVAL') return undefined;
    throw error;
  }
}
