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
import {
  emptyJournal,
  encodeRecord,
  type JournalReading,
  type JournalRecord,
  readOn,
} from '../journal.js';
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

/** What was read last, of the sites that were read last. */
const readings = new Map<string, JournalReading>();
const keptReadings = 16;

/**
 * All complete records; none when there is no journal yet. The whole text is read, for another
 * thread may have written it, and only new lines of it are decoded: a switch costs the same however
 * many came before.
 */
export function readJournal(path: string): JournalReading {
  const reading = readOn(readings.get(path) ?? emptyJournal, textOf(path));
  readings.delete(path);
  readings.set(path, reading);
  for (const oldest of readings.keys()) {
    if (readings.size <= keptReadings) break;
    readings.delete(oldest);
  }
  return reading;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
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
