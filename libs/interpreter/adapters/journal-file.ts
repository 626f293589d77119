import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { UnsafeDirectory } from '../errors.js';
import {
  emptyJournal,
  encodeRecord,
  type JournalReading,
  type JournalRecord,
  readOn,
} from '../journal.js';
import { syncDirectory } from './site-directory.js';

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
/** A link is not followed, and a FIFO that somebody put there holds nothing up. */
const asFile = O_NOFOLLOW | O_NONBLOCK;

/** Appends one line durably, or not at all. */
export function appendRecord(path: string, record: JournalRecord): void {
  append(path, record, (fd) => fsyncSync(fd));
}

/** Appends one line that is lost with the host's power, until `syncJournal`, or not at all. */
export function noteRecord(path: string, record: JournalRecord): void {
  append(path, record, () => undefined);
}

/** Makes durable what was noted. */
export function syncJournal(path: string): void {
  const fd = openSync(path, O_RDONLY | asFile);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function append(path: string, record: JournalRecord, flush: (fd: number) => void): void {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_APPEND | asFile, 0o600);
  try {
    const size = sizeOf(fd, path);
    try {
      writeFileSync(fd, encodeRecord(record));
      flush(fd);
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
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | asFile);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
  try {
    sizeOf(fd, path);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** @throws UnsafeDirectory for what is no file */
function sizeOf(fd: number, path: string): number {
  const stats = fstatSync(fd);
  if (!stats.isFile()) throw new UnsafeDirectory(path, 'is no file');
  return stats.size;
}

/** Replaces the journal in one step. */
export function replaceJournal(path: string, records: readonly JournalRecord[]): void {
  const next = `${path}.next`;
  rmSync(next, { force: true });
  const fd = openSync(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    writeFileSync(fd, records.map(encodeRecord).join(''));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(next, path);
  syncDirectory(dirname(path));
}
