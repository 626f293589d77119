import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { decodeJournal, encodeRecord, type JournalRecord } from '../journal.js';
import { syncDirectory } from './site-directory.js';

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;

/** Appends one line durably, or not at all. */
export function appendRecord(path: string, record: JournalRecord): void {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
  try {
    const { size } = fstatSync(fd);
    try {
      writeFileSync(fd, encodeRecord(record));
      fsyncSync(fd);
    } catch (error) {
      // Half a line would swallow the next one.
      ftruncateSync(fd, size);
      throw error;
    }
    if (size === 0) syncDirectory(dirname(path));
  } finally {
    closeSync(fd);
  }
}

/** All complete records; none when there is no journal yet. */
export function readJournal(path: string): { records: JournalRecord[]; torn: boolean } {
  try {
    return decodeJournal(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { records: [], torn: false };
    throw error;
  }
}

/** Replaces the journal in one step. */
export function replaceJournal(path: string, records: readonly JournalRecord[]): void {
  const next = `${path}.next`;
  const fd = openSync(next, 'w', 0o600);
  try {
    writeFileSync(fd, records.map(encodeRecord).join(''));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(next, path);
  syncDirectory(dirname(path));
}
