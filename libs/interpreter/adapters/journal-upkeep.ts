import { condense } from '../journal.js';
import type { SiteLayout } from '../site-layout.js';
import { replaceJournal } from './journal-file.js';
import { completeVersions, readSite } from './site-state.js';

/** Lines after which the journal is condensed. */
const longJournal = 100;

/** Removes an incomplete line, and what says nothing any more from a long journal. */
export function mendJournal(layout: SiteLayout): void {
  const site = readSite(layout);
  const settled = !site.lastSwitch || site.lastSwitch.done;
  if (settled && site.records.length > longJournal) {
    const onDisk = new Set(completeVersions(layout, site));
    replaceJournal(layout.journal, condense(site.records, onDisk));
  } else if (site.torn) replaceJournal(layout.journal, site.records);
}
